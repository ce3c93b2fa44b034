# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write sbom.json: the packages of requirements.lock in CycloneDX format.

The program cyclonedx-py must be in the same folder as this Python. The file has names, versions
and markers. It has no hashes. It has no addresses of package indexes, because a pin does not name
an index.
"""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def pins(lock: str) -> str:
    """Return the lines of a lock file that pin a release, without their hashes."""
    return ''.join(line.rstrip('\\ ') + '\n' for line in lock.splitlines() if '==' in line)


def without_addresses(tree: Any) -> Any:
    """Return a copy of ``tree`` without ``externalReferences``."""
    if isinstance(tree, list):
        return [without_addresses(item) for item in tree]
    if isinstance(tree, dict):
        return {key: without_addresses(value) for key, value in tree.items()
                if key != 'externalReferences'}
    return tree


def main() -> None:
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
