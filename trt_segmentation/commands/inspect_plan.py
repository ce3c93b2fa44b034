# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a TensorRT plan, which is an engine in a file. Neither TensorRT nor a GPU is needed."""

from __future__ import annotations

from pathlib import Path

from ..errors import CacheError
from ..model.card_checks import PLAN_SUFFIXES
from ..untrusted.signed_files import load_signed_plan, sidecar_path
from ..untrusted.terminal_text import printable
from ..view.plan_text import plan_text


def is_plan(path: Path) -> bool:
    """Return whether a file has the suffix of a plan, or lies beside a JSON file about a plan."""
    if path.suffix in PLAN_SUFFIXES:
        return True
    # is_file() comes first, because sidecar_path() fails for a folder such as . or /.
    return path.suffix != '.onnx' and path.is_file() and sidecar_path(path).is_file()


def inspect_plan(path: Path) -> str:
    """Return the text of ``trt_seg inspect`` for a plan.

    :raises CacheError: if ``trt_seg`` did not write the plan, or if the file was changed later.
    """
    plan = load_signed_plan(path)
    try:
        return printable(plan_text(str(path), plan))
    # The hash in the JSON file protects only the plan, so the JSON file may contain anything.
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CacheError(f'{path}: {sidecar_path(path).name} beside this plan was not written by '
                         f'`trt_seg build` ({type(error).__name__}: {error}); build the plan '
                         'again') from error
