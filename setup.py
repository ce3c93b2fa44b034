# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Tell colcon and pip what to install, and into which folders."""

from pathlib import Path
import subprocess

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

PACKAGE = 'trt_segmentation'
HERE = Path(__file__).parent


def files(*patterns: str) -> list[str]:
    """Return the matching data files. setuptools needs paths relative to this file."""
    return sorted(str(path.relative_to(HERE))
                  for pattern in patterns for path in HERE.glob(pattern))


def read_commit() -> str:
    """Return the git commit of this checkout, with ``+`` if a file of the package changed since.

    Without git, or if git does not track this file, return an empty string.
    """
    def git(*command: str) -> 'subprocess.CompletedProcess[str]':
        return subprocess.run(['git', '-C', str(HERE), *command], capture_output=True, text=True,
                              check=False)

    try:
        ours = git('ls-files', '--error-unmatch', 'setup.py')
        head = git('rev-parse', '--short=12', 'HEAD')
        changed = git('diff', '--quiet', 'HEAD', '--', PACKAGE)
    except OSError:     # git is not installed
        return ''
    if ours.returncode or head.returncode:
        return ''
    return head.stdout.strip() + '+' * bool(changed.returncode)


class BuildWithCommit(build_py):
    """Builds the package, and records the git commit beside installed/version.py."""

    def run(self) -> None:
        """Build, and write the commit. An editable install asks git at run time instead."""
        super().run()
        if not getattr(self, 'editable_mode', False):
            (Path(self.build_lib) / PACKAGE / 'installed' / 'commit.txt').write_text(
                read_commit(), encoding='utf-8')


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Semantic segmentation of camera images for ROS 2 with an ONNX network',
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
        (f'share/{PACKAGE}/config/kuberay', files('config/kuberay/*')),
        (f'share/{PACKAGE}/config/maps', files('config/maps/*.yaml')),
        (f'share/{PACKAGE}/resource', files('resource/*.onnx', 'resource/*.scales.json')),
    ],
    python_requires='>=3.10',
    # `import trt_segmentation` and the node need these packages and one of the extras cpu, gpu and
    # gpu-cuda12. rosdep may install a package under another name, because Python only needs the
    # name of the import.
    install_requires=['numpy>=1.23', 'opencv-python-headless>=4.5', 'PyYAML'],
    extras_require={
        # onnxruntime and onnxruntime-gpu have the same files, so pip must not install both.
        'cpu': ['onnxruntime>=1.16'],
        'gpu': ['onnxruntime-gpu[cuda,cudnn]>=1.27', 'cuda-core[cu13]', 'cuda-bindings>=13,<14',
                'onnx'],
        'gpu-cuda12': ['onnxruntime-gpu[cuda,cudnn]<1.27', 'cuda-core[cu12]',
                       'cuda-bindings>=12,<13', 'onnx'],
        'tools': ['filelock', 'matplotlib', 'onnx', 'onnxslim', 'Pillow', 'plotly', 'rich',
                  # untrusted/bag_limits.py replaces internal functions of rosbags 0.11
                  'rosbags>=0.11,<0.12'],
        # TensorRT brings its own Python module. cuda-core works with CUDA 12 and 13.
        'tensorrt': ['cuda-bindings', 'cuda-core', 'filelock', 'onnx', 'onnxslim'],
        'tensorrt-rtx': ['tensorrt-rtx-cu13', 'cuda-core[cu13]', 'cuda-bindings>=13,<14',
                         'nvidia-cuda-nvrtc', 'onnx', 'onnxslim', 'filelock'],
        # `trt_seg label`. An object store needs one more package: s3fs, gcsfs or aiohttp.
        'label': ['fsspec>=2026.1', 'matplotlib', 'pyarrow>=20', 'pycocotools>=2.0.8', 'rich',
                  'rosbags>=0.11,<0.12'],
        'fleet': ['fsspec>=2026.1', 'matplotlib', 'pyarrow>=20', 'pycocotools>=2.0.8', 'rich',
                  'ray>=2.60,<3', 'rosbags>=0.11,<0.12'],
        # `trt_seg replay` and `trt_seg label` decode and encode faster with these packages
        'fast': ['simplejpeg>=1.8', 'zlib-ng>=0.5'],
        'video': ['av>=17'],
        'trace': ['nvtx'],
        'view': ['rerun-sdk'],
        'ros': ['ros-jazzy-diagnostic-msgs', 'ros-jazzy-lifecycle-msgs',
                'ros-jazzy-nav-msgs', 'ros-jazzy-rclpy[fastrtps]', 'ros-jazzy-sensor-msgs'],
        'test': ['hypothesis', 'mypy', 'pytest', 'pytest-timeout', 'pytest-xdist', 'rosbags-image',
                 'ruff', 'types-PyYAML'],
    },
    zip_safe=True,
    cmdclass={'build_py': BuildWithCommit},
    entry_points={'console_scripts': [
        f'seg_node = {PACKAGE}.ros.executables:seg_node',
        f'street_camera = {PACKAGE}.ros.executables:street_camera',
        f'trt_seg = {PACKAGE}.commands.cli:main',
    ]},
)
