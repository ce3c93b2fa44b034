# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Known vulnerabilities of what requirements.lock pins, by pip-audit.

    audit.py [--changed]

Exits 1 for one that .ci/advisories.json does not name with a reason. With --changed, as CI calls
it, only where requirements.lock differs from AUDIT_BASE (HEAD~1): a new advisory about pins nobody
touched is printed and does not turn CI red. Where the advisory service does not answer, one line
says that nothing was checked, and the exit code is 0. SECURITY.md has the reasons.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / 'requirements.lock'
ADVISORIES = ROOT / '.ci' / 'advisories.json'
VERSION = '2.10.1'
CANARY = ('pyyaml', '5.3')
"""A release every advisory service has something on; one that has nothing knows nothing."""
TIMEOUT = 300


class NoAnswer(RuntimeError):
    """Nothing could be learned; says why."""


def pip_audit() -> Path:
    """pip-audit in an environment of its own, so that its requirements pin nothing of ours.

    :raises NoAnswer: where it cannot be installed.
    """
    folder = ROOT / '.venv' / 'audit'
    tool = folder / 'bin' / 'pip-audit'
    if not tool.exists():
        _run([sys.executable, '-m', 'venv', str(folder)])
        _run([str(folder / 'bin' / 'python'), '-m', 'pip', 'install', '--quiet',
              '--disable-pip-version-check', f'pip-audit=={VERSION}'])
    return tool


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f'{command[0]}: {error}') from error
    # pip-audit exits 1 for vulnerabilities and for errors; only the former come with JSON
    if done.returncode and not done.stdout.startswith('{'):
        last = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
        raise NoAnswer(f'{Path(command[0]).name}: {last[:300]}')
    return done.stdout


def ask(tool: Path, requirements: str) -> list[dict[str, Any]]:
    """What pip-audit says of every pinned release: name, version, vulns or skip_reason.

    :raises NoAnswer: where it fails.
    """
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write(requirements)
        file.flush()
        text = _run([str(tool), '--requirement', file.name, '--no-deps', '--disable-pip',
                     '--progress-spinner', 'off', '--timeout', '15', '--format', 'json'])
    found: list[dict[str, Any]] = json.loads(text)['dependencies']
    return found


def audit(tool: Path) -> list[dict[str, Any]]:
    """As :func:`ask`, of requirements.lock.

    :raises NoAnswer: where the service knows nothing even of a release known to be bad. Asked
        for what it does not have, pip-audit says `No known vulnerabilities found`.
    """
    (canary,) = ask(tool, '=='.join(CANARY))
    if not canary.get('vulns'):
        raise NoAnswer(f'the advisory service here has nothing on {" ".join(CANARY)}, which has '
                       f'known vulnerabilities: {canary.get("skip_reason", "none listed")}')
    return ask(tool, LOCK.read_text(encoding='utf-8'))


def unlisted(found: list[dict[str, Any]], listed: dict[str, str]) -> list[str]:
    """A line for every vulnerability that is not listed with a reason, by id or alias."""
    return [f'{entry["name"]} {entry["version"]}: {vulnerability["id"]}'
            f' ({", ".join(vulnerability.get("aliases", [])) or "no alias"}), fixed in '
            f'{", ".join(vulnerability.get("fix_versions", [])) or "no release"}'
            for entry in found for vulnerability in entry.get('vulns', [])
            if not any(listed.get(name, '').strip()
                       for name in (vulnerability['id'], *vulnerability.get('aliases', [])))]


def lock_changed() -> bool:
    """Whether requirements.lock or the list differs from the commit CI compares with."""
    base = os.environ.get('AUDIT_BASE', 'HEAD~1')
    done = subprocess.run(['git', 'diff', '--quiet', base, '--', str(LOCK), str(ADVISORIES)],
                          cwd=ROOT, capture_output=True)
    return done.returncode == 1     # 128: there is no such commit, as in a shallow clone


def main(arguments: list[str]) -> int:
    """See the module."""
    listed: dict[str, str] = json.loads(ADVISORIES.read_text(encoding='utf-8'))
    try:
        found = audit(pip_audit())
    except NoAnswer as reason:
        print(f'audit: skipped, nothing was checked: {reason}')
        return 0
    skipped = [entry['name'] for entry in found if 'skip_reason' in entry]
    open_ = unlisted(found, listed)
    for line in open_:
        print(f'audit: {line}')
    if skipped:
        print(f'audit: the service has no record of {", ".join(skipped)}')
    print(f'audit: {len(found) - len(skipped)} releases checked, {len(open_)} known '
          f'vulnerabilities that are not in .ci/advisories.json')
    if open_ and ('--changed' not in arguments or lock_changed()):
        print('audit: raise the pin (./dev lock), or name the id with a reason in '
              '.ci/advisories.json')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
