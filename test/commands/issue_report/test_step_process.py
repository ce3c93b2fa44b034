# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A step that ends in any way gives one result, with its log."""

import sys

import pytest

from trt_segmentation.commands.issue_report import step_process
from trt_segmentation.commands.issue_report.step_process import (
    CANNOT_RUN,
    FAILED,
    OK,
    run_step,
)


def test_a_step_gives_its_result(tmp_path):
    result = run_step('machine', {'gpu': 0}, tmp_path)
    assert (result.name, result.status, result.why) == ('machine', OK, '')
    assert result.found['python']['version'] and result.log == ''


def test_an_exception_gives_its_last_line_and_the_traceback(tmp_path):
    result = run_step('nonsense', {'gpu': 0}, tmp_path)
    assert (result.status, result.why, result.found) == (FAILED, "KeyError: 'nonsense'", {})
    assert 'Traceback (most recent call last)' in result.log and 'step.py' in result.log


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Let a shell script run instead of the step."""
    def replace(script):
        path = tmp_path / 'python'
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o700)
        monkeypatch.setattr(sys, 'executable', str(path))
    return replace


@pytest.mark.parametrize('script, longest, why', [
    ('echo before; kill -SEGV $$', 60, 'the process was ended by SIGSEGV'),
    ('echo before; exec sleep 60', 0.3, 'the step needed more than 0 s and was stopped'),
    ('echo before; exit 3', 60, 'the process ended with status 3'),
    ('echo before', 60, 'the process gave no result')])
def test_a_crash_and_a_hang_are_told(program, tmp_path, script, longest, why):
    program(script)
    result = run_step('checks', {'gpu': 0}, tmp_path, longest)
    assert (result.status, result.why, result.log) == (FAILED, why, 'before\n')


def test_a_program_that_does_not_start_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'none'))
    assert run_step('checks', {}, tmp_path).why.startswith('the process did not start: ')


def test_the_first_part_of_a_result_stays_after_an_error(program, tmp_path):
    program(f'echo \'{{"text": "first part"}}\' > {tmp_path}/checks.json; '
            'echo "Traceback (most recent call last):"; echo "  File x"; echo "E: last"; exit 1')
    result = run_step('checks', {}, tmp_path)
    assert (result.status, result.why, result.found) == (
        FAILED, 'E: last', {'text': 'first part'})


def test_the_middle_of_a_long_log_is_left_out(program, tmp_path, monkeypatch):
    monkeypatch.setattr(step_process, 'LONGEST_LOG', 20)
    program('printf first; head -c 100 /dev/zero | tr "\\0" x; printf last')
    log = run_step('checks', {}, tmp_path).log
    assert log == 'firstxxxxx\n… 89 bytes are left out …\nxxxxxxlast'


def trial(**more):
    return {'why_not': '', 'wrong': '', 'good': True, **more}


@pytest.mark.parametrize('found, result', [
    ({}, (OK, '')),
    ({'checks': [{'status': 'warning', 'name': 'a', 'text': 'b'}]}, (OK, '')),
    ({'checks': [{'status': 'error', 'name': 'cv2', 'text': 'gone'}]}, (FAILED, 'cv2: gone')),
    ({'trial': trial(), 'why_not': ''}, (OK, '')),
    ({'trial': trial(wrong='WRONG: mean IoU 0.1'), 'why_not': ''},
     (FAILED, 'WRONG: mean IoU 0.1')),
    ({'trial': trial(why_not='no GPU can be used'), 'why_not': 'no GPU'}, (CANNOT_RUN, 'no GPU')),
    # This engine has all that it needs. So it is a fault that the engine does not open.
    ({'trial': trial(why_not='Myelin error'), 'why_not': ''},
     (FAILED, 'everything that this engine needs is installed, but the engine cannot be '
      'opened: Myelin error')),
    ({'trial': trial(why_not='no GPU', wrong='cannot build'), 'why_not': 'no GPU'},
     (FAILED, 'cannot build')),
    ({'trial': trial(why_not='broken', good=False), 'why_not': 'broken'}, (FAILED, 'broken'))])
def test_the_status_follows_from_the_result(found, result):
    assert step_process._judge(found) == result
