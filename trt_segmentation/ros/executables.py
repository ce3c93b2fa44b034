# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What ``ros2 run`` and the console scripts start; says what is missing where ROS is."""

from __future__ import annotations

from importlib import import_module
import sys


def seg_node() -> int:
    """Run the segmentation node; the process's exit code."""
    return _main('node')


def street_camera() -> int:
    """Run the street camera; the process's exit code."""
    return _main('street_camera')


def _main(module: str) -> int:
    try:
        main = import_module(f'.{module}', __package__).main
    except ModuleNotFoundError as error:
        sys.exit(f'{module} needs the Python module {error.name}. With a ROS 2 install: source '
                 'its setup.bash, then rosdep install. Without: pip install '
                 "'trt_segmentation[ros]'")
    return int(main())
