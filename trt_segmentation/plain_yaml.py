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

"""YAML as small and as flat as cards are, from whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
"""Of a file; a card with 65534 classes fits."""
MAX_DEPTH = 6
"""Lists and mappings within each other; a card has three."""
MAX_SCALAR = 1000
"""Characters of one value."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    References are refused, as a few lines of them stand for billions of items.

    :raises OSError: where it cannot be read.
    :raises ValueError: where it is longer or deeper than it has to be; also what Python says of
        numbers and dates there are not.
    :raises yaml.YAMLError: where it is no YAML.
    """
    with path.open('rb') as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f'it has more than {MAX_BYTES:,} bytes')
    text, depth = data.decode('utf-8'), 0
    for event in yaml.parse(text, yaml.SafeLoader):
        where = f'line {event.start_mark.line + 1 if event.start_mark else 0}: '
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f'{where}*{event.anchor} is a reference; write out what it means')
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise ValueError(f'{where}a value of {len(event.value):,} characters; at most '
                             f'{MAX_SCALAR} are read')
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f'{where}lists or mappings more than {MAX_DEPTH} deep')
    return yaml.safe_load(text)
