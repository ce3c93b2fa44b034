# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that an earlier command has labelled frames with the same options.

The results of one model and one set of options are called a run. Each run has its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import FleetError
from ...fleet.jobs.label import LabelJob
from ...fleet.run_folder import list_runs
from .options import LabelOptions
from .sources import is_run

_OPTIONS = {'model': '--model', 'engine': '--engine', 'precision': '--precision',
            'label_format': '--format'}
"""The settings that choose the folder of a run, and their options."""


def refuse_run_folder(out: str) -> None:
    """Refuse a folder of one run as the folder that holds all runs.

    :raises FleetError: if ``out`` is the folder of a run. The message names its parent.
    """
    if is_run(out):
        parent = out.rstrip('/').rpartition('/')[0] if '://' in out else Path(
            out).absolute().parent
        raise FleetError(f'--out {out} is the folder of one run. Give the folder that holds the '
                         f'runs: --out {parent}')


def check_run(options: LabelOptions, job: LabelJob) -> None:
    """Check that the run of the options exists.

    :param job: the job of the options.
    :raises FleetError: if there is no such run. The message names the existing runs, and the
        options that choose them.
    """
    runs = list_runs(options.out)
    if any(facts['key'] == job.key for facts in runs.values()):
        return
    if not runs:
        raise FleetError(f'{options.out} holds no runs. Give a SOURCE to label its frames first')
    listed = '. '.join(f'{name}: {_describe_change(facts, job)}' for name, facts in runs.items())
    raise FleetError(f'no run in {options.out} has these options. The runs there: {listed}')


def _describe_change(facts: Mapping[str, Any], job: LabelJob) -> str:
    changed = [f'{option} {facts.get(key)}' for key, option in _OPTIONS.items()
               if facts.get(key) != getattr(job, key)]
    if changed:
        return f'give {" ".join(changed)}'
    return 'another version of the model or of trt_segmentation made it'
