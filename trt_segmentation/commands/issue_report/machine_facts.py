# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Collect facts about the machine: versions, GPU, CPU, memory and environment variables."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
import os
from pathlib import Path
import platform
import re
import subprocess
import sys
from typing import Any

from ...engines.nvidia_driver import ask_driver
from ...installed.pip_names import GPU_SETS, PIP_NAMES, ROS_WHEELS
from ...installed.version import commit, version

ENVIRONMENT = (
    'CUDA_CACHE_DISABLE', 'CUDA_DEVICE_ORDER', 'CUDA_LAUNCH_BLOCKING', 'CUDA_MODULE_LOADING',
    'CUDA_VISIBLE_DEVICES', 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE',
    'LD_LIBRARY_PATH', 'LD_PRELOAD', 'NVIDIA_DRIVER_CAPABILITIES', 'NVIDIA_TF32_OVERRIDE',
    'NVIDIA_VISIBLE_DEVICES', 'OMP_NUM_THREADS', 'RMW_IMPLEMENTATION', 'ROS_DISTRO',
    'ROS_PYTHON_VERSION', 'ROS_VERSION')
"""Names of the environment variables in the report. No other variable is in the report."""
OTHER_PACKAGES = ('nvidia-modelopt', 'opencv-python', 'opencv-contrib-python', 'rclpy')
"""Packages in the report that :mod:`trt_segmentation.installed.pip_names` does not name."""
PREFIXES = ('cuda-', 'nvidia-cu', 'nvidia-nv', 'onnxruntime', 'tensorrt')
"""Packages with these prefixes are in the report too. No other package is in the report, because
its name may be private."""
NVIDIA_SMI = ('name', 'driver_version', 'pstate', 'memory.total', 'memory.used', 'utilization.gpu',
              'temperature.gpu', 'power.limit', 'clocks.sm', 'clocks.max.sm',
              'compute_mode', 'ecc.mode.current', 'mig.mode.current')
"""The report has only these fields of ``nvidia-smi``. If no fields are chosen, ``nvidia-smi`` also
names the processes of all users."""
LONGEST_S = 20.0
"""``nvidia-smi`` or ``nvpmodel`` is stopped after this many seconds."""


def collect_facts() -> dict[str, Any]:
    """Return all facts as JSON values, still with the names of users, hosts and folders."""
    return {
        'trt_segmentation': {'version': version(), 'commit': commit()},
        'python': {'version': platform.python_version(), 'executable': sys.executable,
                   'build': ' '.join(platform.python_build()), 'path': sys.path[1:]},
        'system': _system(), 'cpu': _cpu(), 'memory': _memory(), 'jetson': _jetson(),
        'gpu': {**asdict(ask_driver()), 'nvidia_smi': _run(
            'nvidia-smi', f'--query-gpu={",".join(NVIDIA_SMI)}', '--format=csv')},
        'packages': _packages(),
        'environment': {name: _split(os.environ[name]) for name in ENVIRONMENT
                        if name in os.environ}}


def _system() -> dict[str, str]:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', _read('/etc/os-release'), re.M)
    in_container = any(map(os.path.exists, ('/.dockerenv', '/run/.containerenv')))
    return {'name': found[1] if found else platform.system(), 'kernel': platform.release(),
            'machine': platform.machine(), 'libc': ' '.join(platform.libc_ver()),
            'container': 'yes' if in_container else 'no'}


def _cpu() -> dict[str, Any]:
    model = re.search(r'^model name\s*: (.*)', _read('/proc/cpuinfo'), re.M)
    governor = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'
    return {'name': model[1] if model else platform.processor(), 'cores': os.cpu_count(),
            'usable': len(os.sched_getaffinity(0)), 'governor': _read(governor),
            'load': [round(load, 2) for load in os.getloadavg()]}


def _memory() -> dict[str, int]:
    found = re.findall(r'^(MemTotal|MemAvailable|SwapTotal):\s+(\d+) kB', _read('/proc/meminfo'),
                       re.M)
    return {f'{name}_mib': int(size) >> 10 for name, size in found}


def _jetson() -> dict[str, str]:
    release = _read('/etc/nv_tegra_release').partition('\n')[0]
    if not release:
        return {}
    return {'board': _read('/proc/device-tree/model').strip('\0'), 'release': release,
            'power_mode': _run('nvpmodel', '-q')}


def _packages() -> dict[str, str]:
    wanted = {_plain(name) for name in (
        'trt_segmentation', *PIP_NAMES.values(), *ROS_WHEELS, *OTHER_PACKAGES,
        *(name for names in GPU_SETS.values() for name in names))}
    found = {}
    for package in metadata.distributions():
        name = package.metadata['Name'] or ''
        if _plain(name) in wanted or _plain(name).startswith(PREFIXES):
            found[name] = package.version
    return dict(sorted(found.items()))


def _plain(requirement: str) -> str:
    """Return the package name of a requirement, in lower case and with ``-`` for ``_``."""
    return re.split(r'[<>=\[ ]', requirement)[0].lower().replace('_', '-')


def _split(value: str) -> str | list[str]:
    return value.split(os.pathsep) if os.pathsep in value else value


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        return ''


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=LONGEST_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f'{command[0]} cannot be run: {error}'
    return (done.stdout + done.stderr).strip()
