# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

from importlib import metadata
import json
import sys

import numpy as np

from trt_segmentation.commands.issue_report import machine_facts
from trt_segmentation.commands.issue_report.machine_facts import collect_facts


def test_the_facts_name_versions_and_the_listed_variables_only(monkeypatch):
    monkeypatch.setenv('LD_LIBRARY_PATH', '/usr/lib/a:/usr/lib/b')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    monkeypatch.setenv('MY_PRIVATE_THING', 'nobody may read this')
    facts = collect_facts()
    assert list(facts) == ['trt_segmentation', 'python', 'system', 'cpu', 'memory', 'jetson',
                           'gpu', 'packages', 'environment']
    assert facts['environment']['LD_LIBRARY_PATH'] == ['/usr/lib/a', '/usr/lib/b']
    assert facts['environment']['CUDA_VISIBLE_DEVICES'] == '0'
    assert set(facts['environment']) <= set(machine_facts.ENVIRONMENT)
    assert 'nobody may read this' not in json.dumps(facts)
    assert facts['packages']['numpy'] == np.__version__
    assert facts['python']['version'] == '.'.join(map(str, sys.version_info[:3]))
    assert facts['memory']['MemTotal_mib'] > 0 and facts['cpu']['usable'] >= 1


def test_other_packages_are_not_named(monkeypatch):
    class Package:
        def __init__(self, name):
            self.metadata, self.version = {'Name': name}, '1.0'

    names = ['acme-robot', 'NumPy', 'tensorrt_cu12_libs', 'nvidia-cublas-cu12', 'PyYAML', None]
    monkeypatch.setattr(metadata, 'distributions', lambda: [Package(name) for name in names])
    assert collect_facts()['packages'] == {
        'NumPy': '1.0', 'PyYAML': '1.0', 'nvidia-cublas-cu12': '1.0', 'tensorrt_cu12_libs': '1.0'}


def test_a_jetson_tells_its_board_and_power_mode(monkeypatch):
    texts = {'/etc/nv_tegra_release': '# R36 (release), REVISION: 4.3\n# more',
             '/proc/device-tree/model': 'NVIDIA Jetson Orin Nano\0'}
    monkeypatch.setattr(machine_facts, '_read', lambda path: texts.get(path, ''))
    monkeypatch.setattr(machine_facts, '_run', lambda *command: ' '.join(command))
    assert collect_facts()['jetson'] == {
        'board': 'NVIDIA Jetson Orin Nano', 'release': '# R36 (release), REVISION: 4.3',
        'power_mode': 'nvpmodel -q'}
    texts.clear()
    assert collect_facts()['jetson'] == {}


def test_a_program_that_is_missing_or_waits_is_no_error(monkeypatch, tmp_path):
    assert 'cannot be run' in machine_facts._run(str(tmp_path / 'none'))
    monkeypatch.setattr(machine_facts, 'LONGEST_S', 0.1)
    assert machine_facts._run('sleep', '60').startswith('sleep cannot be run: ')
    assert machine_facts._run('sh', '-c', 'echo a; echo b >&2') == 'a\nb'
