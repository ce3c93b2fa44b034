# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What pip calls the packages that this one imports, and the advice to install them."""

from __future__ import annotations

PIP_NAMES = {
    'PIL': 'Pillow', 'cuda': 'cuda-core[cu13]', 'cv2': 'opencv-python-headless',
    'filelock': 'filelock', 'lz4': 'lz4', 'matplotlib': 'matplotlib', 'numpy': 'numpy',
    'onnx': 'onnx', 'onnxruntime': 'onnxruntime', 'onnxslim': 'onnxslim', 'plotly': 'plotly',
    'rerun': 'rerun-sdk', 'rich': 'rich', 'rosbags': 'rosbags>=0.11,<0.12',
    'tensorrt': 'tensorrt-cu13',
    'tensorrt_rtx': 'tensorrt-rtx-cu13', 'torch': 'torch', 'yaml': 'PyYAML',
}
"""Distribution by import name. Only these are ever recommended: under a name that nobody has
registered, anybody could publish anything. This package itself is not on PyPI."""

ROS_WHEELS = ('ros-jazzy-rclpy[fastrtps]', 'ros-jazzy-sensor-msgs', 'ros-jazzy-diagnostic-msgs',
              'ros-jazzy-lifecycle-msgs')
"""ROS 2 from PyPI: all that the node needs. Message packages have no name of their own there."""

IN_ROS_WHEELS = {'builtin_interfaces', 'diagnostic_msgs', 'lifecycle_msgs', 'rcl_interfaces',
                 'rclpy', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs'}
"""Modules that those distributions, and what they depend on, bring."""


def pip_install(*distributions: str) -> str:
    """The command that installs some distributions; what a shell would read is quoted."""
    return 'pip install ' + ' '.join(f"'{name}'" if set('[<>') & set(name) else name
                                     for name in distributions)


def advise_install(module: str) -> str:
    """How to get a module that cannot be imported, in one line.

    :param module: as Python imports it, such as ``cv2`` or ``rosbags.highlevel``.
    """
    top = module.partition('.')[0]
    if top in PIP_NAMES:
        return f'install it with: {pip_install(PIP_NAMES[top])}'
    if top in IN_ROS_WHEELS:
        return f'source the setup.bash of a ROS 2 install, or {pip_install(*ROS_WHEELS)}'
    return f'install again what brings {top}, or ask those who maintain it'
