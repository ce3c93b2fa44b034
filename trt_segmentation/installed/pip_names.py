# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The names on PyPI of the packages that trt_segmentation imports, and how to install them."""

from __future__ import annotations

import shlex
import sys

PIP_NAMES = {
    'PIL': 'Pillow', 'av': 'av>=17', 'cuda': 'cuda-core[cu13]', 'cv2': 'opencv-python-headless',
    'filelock': 'filelock', 'fsspec': 'fsspec>=2026.1', 'lz4': 'lz4',
    'matplotlib': 'matplotlib', 'numpy': 'numpy', 'nvtx': 'nvtx', 'onnx': 'onnx',
    'onnxruntime': 'onnxruntime', 'onnxslim': 'onnxslim', 'plotly': 'plotly',
    'pyarrow': 'pyarrow>=20', 'pycocotools': 'pycocotools>=2.0.8', 'ray': 'ray>=2.60,<3',
    'rerun': 'rerun-sdk', 'rich': 'rich', 'rosbags': 'rosbags>=0.11,<0.12',
    'tensorrt': 'tensorrt-cu13',
    'tensorrt_rtx': 'tensorrt-rtx-cu13', 'torch': 'torch', 'yaml': 'PyYAML',
}
"""Mapping from the import name of a package to its name on PyPI.

Error messages recommend only these names. A name that is still free on PyPI would be dangerous,
because anybody can publish a package with this name. trt_segmentation is not on PyPI.
"""

ROS_WHEELS = ('ros-jazzy-rclpy[fastrtps]', 'ros-jazzy-sensor-msgs', 'ros-jazzy-diagnostic-msgs',
              'ros-jazzy-lifecycle-msgs', 'ros-jazzy-nav-msgs')
"""Names on PyPI of the parts of ROS 2 that the node needs."""

GPU_SETS = {
    'tensorrt-rtx': ('tensorrt-rtx-cu13', 'cuda-core[cu13]', 'cuda-bindings>=13,<14',
                     'nvidia-cuda-nvrtc', 'onnx', 'onnxslim', 'filelock'),
    'cuda13': ('onnxruntime-gpu[cuda,cudnn]>=1.27', 'cuda-core[cu13]', 'cuda-bindings>=13,<14',
               'onnx'),
    'cuda12': ('onnxruntime-gpu[cuda,cudnn]<1.27', 'cuda-core[cu12]', 'cuda-bindings>=12,<13',
               'onnx'),
}
"""Packages that run networks on an NVIDIA GPU. Each key names a lock file in requirements/.

Since version 1.27, onnxruntime-gpu needs CUDA 13. The lock files and the extras in setup.py have
the same packages."""

LABEL_SET = ('fsspec>=2026.1', 'matplotlib', 'pyarrow>=20', 'pycocotools>=2.0.8', 'rich',
             'rosbags>=0.11,<0.12')
"""Packages for the commands that read many recordings.

The extra ``label`` in setup.py has the same packages."""

IN_ROS_WHEELS = {'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'lifecycle_msgs',
                 'nav_msgs', 'rcl_interfaces', 'rclpy', 'rosgraph_msgs', 'sensor_msgs',
                 'std_msgs'}
"""Modules that :data:`ROS_WHEELS` and their dependencies install."""


def pip_install(*distributions: str) -> str:
    """Return the shell command that installs packages from PyPI for this Python.

    The first ``pip`` on the PATH may belong to another Python, so the command names this Python.
    """
    return f'{shlex.quote(sys.executable or "python3")} -m pip install ' + ' '.join(
        f"'{name}'" if set('[<>') & set(name) else name for name in distributions)


def advise_install(module: str) -> str:
    """Return one line that tells how to install a module that cannot be imported.

    :param module: import name, such as ``cv2`` or ``rosbags.highlevel``.
    """
    top = module.partition('.')[0]
    if top in ('fsspec', 'pyarrow', 'pycocotools'):
        return f'install the extra `label` with: {pip_install(*LABEL_SET)}'
    if top in PIP_NAMES:
        return f'install it with: {pip_install(PIP_NAMES[top])}'
    if top in IN_ROS_WHEELS:
        return f'source the setup.bash of a ROS 2 installation, or {pip_install(*ROS_WHEELS)}'
    return f'reinstall the package that contains {top}, or ask the maintainers of trt_segmentation'
