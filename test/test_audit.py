# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The audit of pinned releases: its messages, and the reasons to fail."""

import importlib.util
import json
from pathlib import Path
import subprocess

import pytest

ROOT = Path(__file__).parents[1]
BAD = {'name': 'pyyaml', 'version': '5.3', 'vulns': [
    {'id': 'PYSEC-2020-96', 'aliases': ['CVE-2020-1747'], 'fix_versions': ['5.3.1'],
     'description': 'x'}]}
GOOD = {'name': 'numpy', 'version': '2.0', 'vulns': []}
SKIPPED = {'name': 'ros-jazzy-rclpy', 'skip_reason': 'Dependency not found on PyPI'}


@pytest.fixture
def audit(tmp_path, monkeypatch):
    """Load the script for a new repository. Its last commit changed the lock file."""
    spec = importlib.util.spec_from_file_location('audit', ROOT / '.ci' / 'audit.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ('LOCK', 'ADVISORIES'):
        monkeypatch.setattr(module, name, tmp_path / getattr(module, name).name)
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    monkeypatch.setattr(module, 'pip_audit', lambda: tmp_path / 'pip-audit')
    module.ADVISORIES.write_text('{}')
    git(tmp_path, 'init', '-q')
    for text in ('numpy==1.26\n', 'numpy==2.0\n'):
        module.LOCK.write_text(text)
        commit(tmp_path)
    return module


def git(folder, *arguments):
    subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments], cwd=folder,
                   check=True)


def commit(folder):
    git(folder, 'add', '-A')
    git(folder, 'commit', '-q', '-m', 'x', '--allow-empty')


def answers(audit, monkeypatch, *found, canary=BAD):
    """Replace the results of pip-audit for the canary and for the lock file."""
    texts = [json.dumps({'dependencies': list(part), 'fixes': []}) for part in ((canary,), found)]
    monkeypatch.setattr(audit, '_run', lambda command: texts.pop(0))


def test_known_vulnerability_of_a_changed_lock_fails(audit, monkeypatch, capsys):
    answers(audit, monkeypatch, GOOD, BAD)
    assert audit.main(['--changed']) == 1
    out = capsys.readouterr().out
    assert 'pyyaml 5.3: PYSEC-2020-96 (CVE-2020-1747), fixed in 5.3.1' in out
    assert '2 releases checked, 1 known' in out and './dev lock' in out


def test_new_advisory_on_an_unchanged_lock_does_not_fail_with_changed(
        audit, monkeypatch, capsys):
    commit(audit.ROOT)
    answers(audit, monkeypatch, BAD)
    assert audit.main(['--changed']) == 0
    assert 'PYSEC-2020-96' in capsys.readouterr().out
    answers(audit, monkeypatch, BAD)
    assert audit.main([]) == 1


@pytest.mark.parametrize('name', ['PYSEC-2020-96', 'CVE-2020-1747'])
def test_an_advisory_with_a_reason_does_not_fail(audit, monkeypatch, capsys, name):
    audit.ADVISORIES.write_text(json.dumps({name: 'only yaml.safe_load is called'}))
    answers(audit, monkeypatch, BAD)
    assert audit.main([]) == 0
    audit.ADVISORIES.write_text(json.dumps({name: ' '}))
    answers(audit, monkeypatch, BAD)
    assert audit.main([]) == 1


def test_packages_for_a_gpu_are_audited_too(audit, monkeypatch, capsys):
    (audit.ROOT / 'requirements').mkdir()
    (audit.ROOT / 'requirements' / 'cuda13.lock').write_text('pyyaml==5.3\nnumpy==2.0\n')
    asked = []

    def ask(tool, requirements):
        asked.append(requirements)
        return [BAD] if 'pyyaml' in requirements else [GOOD]

    monkeypatch.setattr(audit, 'ask', ask)
    assert audit.main([]) == 1
    assert asked == ['pyyaml==5.3', 'numpy==2.0\n', 'pyyaml==5.3\nnumpy==2.0\n']
    assert '2 releases checked, 1 known' in capsys.readouterr().out


def test_releases_that_the_service_does_not_know_are_named(audit, monkeypatch, capsys):
    answers(audit, monkeypatch, GOOD, SKIPPED)
    assert audit.main([]) == 0
    out = capsys.readouterr().out
    assert 'no record of ros-jazzy-rclpy' in out and '1 releases checked, 0 known' in out


def test_a_service_without_advisories_is_reported(audit, monkeypatch, capsys):
    """A package mirror has no advisories, and pip-audit then reports no vulnerability."""
    answers(audit, monkeypatch, GOOD, canary={
        'name': 'pyyaml', 'skip_reason': 'Dependency not found on PyPI'})
    assert audit.main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith('audit: skipped, nothing was checked: the advisory service here has')
    assert 'known vulnerabilities: Dependency not found' in out


def test_an_unreachable_service_is_reported(audit, tmp_path, capsys):
    """First pip-audit is missing. Then it fails without JSON."""
    assert audit.main([]) == 0
    assert 'skipped, nothing was checked' in capsys.readouterr().out
    (tmp_path / 'pip-audit').write_text(
        '#!/bin/sh\necho "requests.exceptions.ConnectionError: no route" >&2\nexit 1\n')
    (tmp_path / 'pip-audit').chmod(0o755)
    assert audit.main([]) == 0
    assert 'ConnectionError: no route' in capsys.readouterr().out


def test_without_an_earlier_commit_the_lock_is_unchanged(audit, monkeypatch):
    monkeypatch.setenv('AUDIT_BASE', 'HEAD~7')
    assert not audit.lock_changed()


def test_ci_runs_the_audit():
    assert './dev audit' in (ROOT / '.ci' / 'run').read_text()
