# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The zip of ``trt_seg doctor --selftest --out``."""

import json
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any
import zipfile

import pytest
import yaml

from trt_segmentation.commands import cli
from trt_segmentation.commands.doctor.options import DoctorOptions
from trt_segmentation.commands.issue_report import run as report
from trt_segmentation.commands.issue_report.step_process import (
    CANNOT_RUN,
    FAILED,
    OK,
    StepResult,
)
from trt_segmentation.untrusted.output_files import is_ours

ROOT = Path(__file__).parents[3]
MS = {'inference': {'p50': 1.25, 'p95': 1.5, 'p99': 2.0},
      'total': {'p50': 2.5, 'p95': 3, 'p99': 4}}


def read(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


BROKEN = """import os
raise RuntimeError('broken by ' + os.environ['MY_TOKEN'] + ' in ' + os.environ['HOME'] + '/x')
"""


def test_a_broken_library_is_in_the_report_and_the_other_steps_run(tmp_path):
    """This test runs the real command with an ONNX Runtime that cannot be imported."""
    home = tmp_path / 'berta'
    (home / 'site' / 'onnxruntime').mkdir(parents=True)
    (home / 'site' / 'onnxruntime' / '__init__.py').write_text(BROKEN)
    out = tmp_path / 'report.zip'
    done = subprocess.run(
        [sys.executable, '-m', 'trt_segmentation', 'doctor', '--selftest', '--out', str(out)],
        capture_output=True, text=True, timeout=110, check=False, env={
            **os.environ, 'PYTHONPATH': f'{home}/site{os.pathsep}{ROOT}', 'HOME': str(home),
            'USER': 'berta', 'MY_TOKEN': 'hunter22'})
    assert done.returncode == 1, done.stderr
    files = read(out)
    assert list(files)[:3] == ['README.txt', 'report.txt', 'report.json']
    tree = json.loads(files['report.json'])
    steps = {step['name']: step for step in tree['steps']}
    assert list(steps) == [*report.STEP_NAMES, 'memory']
    assert steps['machine']['status'] == OK and steps['machine']['found']['packages']['numpy']
    assert steps['checks']['status'] == FAILED and 'onnxruntime: ' in steps['checks']['why']
    assert steps['checks']['found']['auto'] == ''
    assert steps['onnxruntime-cpu']['status'] == FAILED
    assert steps['onnxruntime-cpu']['why'].startswith('RuntimeError: broken by <MY_TOKEN> in ')
    log = files['logs/onnxruntime-cpu.txt'].decode()
    assert 'Traceback (most recent call last)' in log and 'onnxruntime' in log
    text = files['report.txt'].decode()
    assert 'steps FAILED: checks, onnxruntime-cpu' in text and 'RuntimeError: broken by' in text
    assert text.strip() in done.stdout
    whole = b'\n'.join(files.values()).decode()
    for private in ('hunter22', 'berta', str(tmp_path)):
        assert private not in whole


@pytest.fixture
def steps(monkeypatch):
    """Replace the processes of the steps by given results."""
    gpu = {'version': '540.4.0', 'cuda': [12, 6],
           'gpus': [{'name': 'Orin', 'integrated': True, 'capability': [8, 7]}]}
    found: dict[str, Any] = {
        'machine': StepResult('machine', OK, '', 1.0, {'gpu': gpu}),
        'checks': StepResult('checks', OK, '', 1.0, {'text': 'ok numpy', 'auto': 'tensorrt',
                                                     'why': 'the best engine can run'}),
        'onnxruntime-cpu': StepResult('onnxruntime-cpu', OK, '', 1.0, {
            'trial': {}, 'text': 'onnxruntime-cpu: ok', 'latency_ms': MS, 'images': 20,
            'drift': 1.0}),
        'onnxruntime-cuda': StepResult('onnxruntime-cuda', CANNOT_RUN, 'built without CUDA'),
        'tensorrt': StepResult('tensorrt', OK, '', 60.0, {
            'trial': {}, 'text': 'tensorrt: ok', 'images': 900, 'drift': 1.1,
            'latency_ms': {'upload': MS['total'], **MS},
            'accuracy': {'tensorrt': {'': {'agreement': 0.999, 'mean_iou': 0.9},
                                      'night': {'agreement': 0.99875, 'mean_iou': 0.875}}},
            'plan': {'bytes': 7}, 'plan_text': 'plan: 7.4 MB\n2 layers\nprecision out\nfp16 a'},
            'building\nbuilt\n'),
        'memory': StepResult('memory', OK, '', 3.0, {'text': 'memory: mapped 4.00 ms'})}
    asked = []

    def run_step(name, request, folder):
        asked.append((name, request))
        if name == 'tensorrt':
            (folder / 'tensorrt.png').write_bytes(b'a picture')
        return found[name]
    monkeypatch.setattr(report, 'run_step', run_step)
    found['asked'] = asked
    return found


def test_the_zip_has_everything_and_the_terminal_shows_the_text(steps, tmp_path, capsys):
    out = tmp_path / 'report.zip'
    assert cli.main(['doctor', '--selftest', '--out', str(out), '--gpu', '0']) == 0
    files = read(out)
    assert list(files) == ['README.txt', 'report.txt', 'report.json', 'plan.txt',
                           'logs/tensorrt.txt', 'tensorrt.png']
    readme = files['README.txt'].decode()
    for name in ('report.txt', 'report.json', 'plan.txt', 'logs/*.txt', '*.png'):
        assert f'\n{name} ' in readme
    assert files['tensorrt.png'] == b'a picture' and files['plan.txt'].endswith(b'fp16 a\n')
    assert files['logs/tensorrt.txt'] == b'building\nbuilt\n'
    text = capsys.readouterr().out
    assert text.strip() == files['report.txt'].decode().strip()
    lines = [' '.join(line.split()) for line in text.splitlines()]
    for line in ('No step failed.', 'tensorrt: 900 images. The last third took 1.10 times as '
                 'long as the first third',
                 'GPU 0: Orin, compute capability 8.7, driver 540.4.0, CUDA up to 12.6',
                 'Engines that ran: onnxruntime-cpu, tensorrt.',
                 'engine auto uses tensorrt: the best engine can run',
                 'cannot run onnxruntime-cuda, 0.0 s: built without CUDA',
                 'pixels with the same label as on the CPU: night 99.875%, mean IoU 0.8750',
                 'stage onnxruntime-cpu tensorrt', 'inference 1.25 (1.50) 1.25 (1.50)',
                 'upload – 2.50 (3.00)', 'memory: mapped 4.00 ms', '2 layers'):
        assert line in lines, line
    assert lines.index('total 2.50 (3.00) 2.50 (3.00)') > lines.index('upload – 2.50 (3.00)')
    assert 'precision out' not in lines
    assert steps['asked'][-1] == ('memory', {'gpu': 0, 'engine': 'tensorrt'})


def test_json_and_a_failed_step(steps, tmp_path, capsys):
    steps['tensorrt'] = StepResult('tensorrt', FAILED, 'ended by SIGSEGV', 2.0, {}, 'x\n' * 99)
    out = tmp_path / 'report.zip'
    assert cli.main(['doctor', '--json', '--out', str(out)]) == 1
    tree = json.loads(capsys.readouterr().out)
    assert [step['status'] for step in tree['steps']] == [OK, OK, OK, CANNOT_RUN, FAILED,
                                                          CANNOT_RUN]
    assert tree['steps'][-1]['why'] == 'no engine runs on this GPU'
    lines = read(out)['report.txt'].decode().splitlines()
    assert lines[1] == '1 of 6 steps FAILED: tensorrt'
    assert lines.count('x') == 40 and len(read(out)['logs/tensorrt.txt']) == 198


def test_a_gpu_with_its_own_memory_has_no_choice_of_memory(steps, tmp_path):
    steps['machine'].found['gpu']['gpus'][0]['integrated'] = False
    assert cli.main(['doctor', '--out', str(tmp_path / 'report.zip')]) == 0
    assert [name for name, _ in steps['asked']] == list(report.STEP_NAMES)


def test_a_report_of_ours_is_replaced_and_a_file_of_the_user_is_not(steps, tmp_path, capsys):
    out = tmp_path / 'report.zip'
    with zipfile.ZipFile(out, 'w') as archive:
        archive.writestr('thesis.txt', 'ten years of work')
    before = out.read_bytes()
    assert cli.main(['doctor', '--selftest', '--out', str(out)]) == 2
    assert 'exists, and trt_seg did not write it' in capsys.readouterr().err
    assert out.read_bytes() == before and steps['asked'] == []
    out.unlink()
    for _ in range(2):
        assert cli.main(['doctor', '--selftest', '--out', str(out)]) == 0
        assert is_ours(out)
    assert cli.main(['doctor', '--out', str(tmp_path / 'r.txt')]) == 2
    assert 'Give a name that ends in .zip, such as report.zip' in capsys.readouterr().err
    assert not (tmp_path / 'r.txt').exists()
    assert cli.main(['doctor', '--out', str(tmp_path / 'none' / 'x.zip')]) == 2
    assert 'there is no folder' in capsys.readouterr().err


def test_the_issue_template_asks_for_the_report():
    template = yaml.safe_load((ROOT / '.github/ISSUE_TEMPLATE/bug_report.yml').read_text())
    (field,) = [field for field in template['body'] if field['id'] == 'report']
    assert field['attributes']['label'] == 'report.zip' and field['validations']['required']
    command = re.search('`trt_seg (.*?)`', field['attributes']['description'])
    assert command
    parsed = cli.parser().parse_args(command[1].split())
    assert parsed.make_options(parsed) == DoctorOptions(selftest=True, out=Path('report.zip'))
