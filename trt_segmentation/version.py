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


"""The version that is installed."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """As pip or colcon installed it; ``unknown`` of a source tree that nothing installed."""
    try:
        return metadata.version('trt_segmentation')
    except metadata.PackageNotFoundError:
        return 'unknown (not installed)'
