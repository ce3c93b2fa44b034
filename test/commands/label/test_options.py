# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The files for Kubernetes agree with the options of the command and with each other."""

from __future__ import annotations

from pathlib import Path
import re
import shlex
from typing import Any

import yaml

from trt_segmentation.commands.cli import parser
from trt_segmentation.commands.label.options import LabelOptions

FOLDER = Path(__file__).parents[3] / 'config/kuberay'


def test_the_job_for_kubernetes() -> None:
    job = yaml.safe_load((FOLDER / 'label.yaml').read_text())
    docker = (FOLDER / 'Dockerfile').read_text()
    assert (job['apiVersion'], job['kind']) == ('ray.io/v1', 'RayJob')
    cluster = job['spec']['rayClusterSpec']
    (workers,) = cluster['workerGroupSpecs']
    pods: list[Any] = [group['template']['spec'] for group in (cluster['headGroupSpec'], workers)]
    assert f'FROM rayproject/ray:{cluster["rayVersion"]}-py3' in docker
    (image,) = {container['image'] for pod in pods for container in pod['containers']}
    assert f'-t {image} ' in docker
    resources = pods[1]['containers'][0]['resources']
    assert resources['limits']['nvidia.com/gpu'] == resources['requests']['nvidia.com/gpu'] == '1'
    mounts = {mount['name'] for mount in pods[1]['containers'][0]['volumeMounts']}
    assert mounts == {volume['name'] for volume in pods[1]['volumes']}
    assert workers['minReplicas'] <= workers['replicas'] <= workers['maxReplicas']
    program, *arguments = shlex.split(job['spec']['entrypoint'])
    parsed = parser().parse_args(arguments)
    options = parsed.make_options(parsed)
    assert program == 'trt_seg' and isinstance(options, LabelOptions)
    assert options.ray == 'auto' and options.gpus_per_worker == 0.5
    options.check()


def test_the_image_has_the_tested_version_of_ray() -> None:
    (tested,) = re.findall(r"'ray>=([\d.]+),<3'", (FOLDER.parents[1] / 'setup.py').read_text())
    assert f'ray:{tested}.' in (FOLDER / 'Dockerfile').read_text()
