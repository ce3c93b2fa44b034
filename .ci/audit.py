# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""List known vulnerabilities of the packages in requirements.lock and requirements/*.lock.

    audit.py [--changed]

The exit code is 1 if there is a vulnerability that .ci/advisories.json does not list with a
reason. With --changed, as in CI, it is 1 only if a lock file also differs from the commit
AUDIT_BASE (HEAD~1). So a new advisory about an unchanged pin is printed, but CI does not fail. If
the advisory service does not answer, one line says that nothing was checked, and the exit code is
0. SECURITY.md gives the reasons.
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
"""A release with known vulnerabilities. A service that does not know them has no advisories."""
TIMEOUT = 300
"""Seconds for one command."""


class NoAnswer(RuntimeError):
    """The audit is not possible. The text gives the reason."""


def pip_audit() -> Path:
    """Install pip-audit into a separate environment, and return its path.

    :raises NoAnswer: if pip-audit cannot be installed.
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
    # pip-audit exits with 1 for vulnerabilities and for errors, but an error prints no JSON
    if done.returncode and not done.stdout.startswith('{'):
        last = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
        raise NoAnswer(f'{Path(command[0]).name}: {last[:300]}')
    return done.stdout


def ask(tool: Path, requirements: str) -> list[dict[str, Any]]:
    """Run pip-audit. Return for each release its name, its version, and vulns or skip_reason.

    :raises NoAnswer: if pip-audit fails.
    """
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write(requirements)
        file.flush()
        text = _run([str(tool), '--requirement', file.name, '--no-deps', '--disable-pip',
                     '--progress-spinner', 'off', '--timeout', '15', '--format', 'json'])
    found: list[dict[str, Any]] = json.loads(text)['dependencies']
    return found


def audit(tool: Path) -> list[dict[str, Any]]:
    """Run pip-audit on every lock file. Return one entry of :func:`ask` for each release.

    :raises NoAnswer: if the service does not know the vulnerabilities of CANARY. Without this
        check, a service without advisories would report no vulnerability.
    """
    (canary,) = ask(tool, '=='.join(CANARY))
    if not canary.get('vulns'):
        raise NoAnswer(f'the advisory service here has nothing on {" ".join(CANARY)}, which has '
                       f'known vulnerabilities: {canary.get("skip_reason", "none listed")}')
    # Each lock file needs its own run, because the locks for CUDA 12 and CUDA 13 pin different
    # releases of a package.
    found = [entry for lock in (LOCK, *sorted(ROOT.glob('requirements/*.lock')))
             for entry in ask(tool, lock.read_text(encoding='utf-8'))]
    return list({(entry['name'], entry.get('version')): entry for entry in found}.values())


def unlisted(found: list[dict[str, Any]], listed: dict[str, str]) -> list[str]:
    """Return a line for every vulnerability without a reason in ``listed``."""
    return [f'{entry["name"]} {entry["version"]}: {vulnerability["id"]}'
            f' ({", ".join(vulnerability.get("aliases", [])) or "no alias"}), fixed in '
            f'{", ".join(vulnerability.get("fix_versions", [])) or "no release"}'
            for entry in found for vulnerability in entry.get('vulns', [])
            if not any(listed.get(name, '').strip()
                       for name in (vulnerability['id'], *vulnerability.get('aliases', [])))]


def lock_changed() -> bool:
    """Return True if a lock file or the list of advisories differs from AUDIT_BASE."""
    base = os.environ.get('AUDIT_BASE', 'HEAD~1')
    done = subprocess.run(['git', 'diff', '--quiet', base, '--', str(LOCK), 'requirements',
                           str(ADVISORIES)],
                          cwd=ROOT, capture_output=True)
    return done.returncode == 1     # 128 means: no such commit


def main(arguments: list[str]) -> int:
    """Audit the lock files and print the result. Return the exit code."""
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
