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

"""Writes sbom.json: requirements.lock as CycloneDX, by cyclonedx-py beside this Python.

Names, versions and markers only. Hashes stay in the lock, and addresses of package indexes are
left out: a pin does not say where it is installed from.
"""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def pins(lock: str) -> str:
    """The lines of a lock that pin a release, without their hashes."""
    return ''.join(line.rstrip('\\ ') + '\n' for line in lock.splitlines() if '==' in line)


def without_addresses(tree: Any) -> Any:
    """A part of the document without its ``externalReferences``."""
    if isinstance(tree, list):
        return [without_addresses(item) for item in tree]
    if isinstance(tree, dict):
        return {key: without_addresses(value) for key, value in tree.items()
                if key != 'externalReferences'}
    return tree


def main() -> None:
    """See the module."""
    lock = (ROOT / 'requirements.lock').read_text(encoding='utf-8')
    tool = Path(sys.executable).with_name('cyclonedx-py')
    done = subprocess.run(
        [tool, 'requirements', '--output-reproducible', '--short-PURLs', '-'],
        input=pins(lock), stdout=subprocess.PIPE, text=True, check=True)
    document = without_addresses(json.loads(done.stdout))
    document['metadata']['component'] = {
        'type': 'application', 'name': 'trt_segmentation', 'bom-ref': 'trt_segmentation'}
    (ROOT / 'sbom.json').write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
