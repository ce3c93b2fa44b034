# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What colcon and pip install, and where."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'trt_segmentation'
HERE = Path(__file__).parent


def files(*patterns: str) -> list[str]:
    """Data files by pattern, relative to this file, as setuptools wants them."""
    return sorted(str(path.relative_to(HERE))
                  for pattern in patterns for path in HERE.glob(pattern))


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Semantic segmentation of camera images for ROS 2: ONNX network in, label map out',
    long_description='See README.md.',
    license='Apache-2.0',
    author='The trt_segmentation authors',
    maintainer='The trt_segmentation authors',
    maintainer_email='maintainers@trt-segmentation.invalid',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['**/*.cu', '**/*.cuh', '**/*.html', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/launch', files('launch/*.launch.py')),
        (f'share/{PACKAGE}/config', files(
            'config/*.yaml', 'config/*.xml', 'config/*.rviz', 'config/*.json')),
        (f'share/{PACKAGE}/config/models', files('config/models/*.yaml')),
        (f'share/{PACKAGE}/config/maps', files('config/maps/*.yaml')),
        (f'share/{PACKAGE}/resource', files('resource/*.onnx', 'resource/*.scales.json')),
    ],
    python_requires='>=3.10',
    # What `import trt_segmentation` and a node need. Where a package manager has them under
    # other names (rosdep on a ROS machine) they are found by import, not by these names.
    install_requires=['numpy>=1.23', 'onnxruntime', 'opencv-python-headless>=4.5', 'PyYAML'],
    extras_require={
        'tools': ['filelock', 'matplotlib', 'onnx', 'onnxslim', 'Pillow', 'plotly', 'rich',
                  # untrusted/bag_limits.py replaces internals of this minor version
                  'rosbags>=0.11,<0.12'],
        # TensorRT's own Python module comes with TensorRT; cuda-core is for CUDA 12 and 13
        'tensorrt': ['cuda-bindings', 'cuda-core', 'filelock', 'onnx', 'onnxslim'],
        'view': ['rerun-sdk'],
        'ros': ['ros-jazzy-diagnostic-msgs', 'ros-jazzy-lifecycle-msgs',
                'ros-jazzy-rclpy[fastrtps]', 'ros-jazzy-sensor-msgs'],
        'test': ['hypothesis', 'mypy', 'pytest', 'pytest-timeout', 'rosbags-image', 'ruff',
                 'types-PyYAML'],
    },
    zip_safe=True,
    entry_points={'console_scripts': [
        f'seg_node = {PACKAGE}.ros.executables:seg_node',
        f'street_camera = {PACKAGE}.ros.executables:street_camera',
        f'trt_seg = {PACKAGE}.commands.cli:main',
    ]},
)
