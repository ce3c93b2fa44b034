# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0

import os
from pathlib import Path
import socket
import sys

import pytest

from trt_segmentation.commands.issue_report import private_text
from trt_segmentation.commands.issue_report.private_text import (
    PrivateWords,
    words_of_this_machine,
)


@pytest.fixture
def words(tmp_path):
    """Return the words of a machine with the folders /home, /srv, /opt, /usr and /dev."""
    for name in ('home', 'srv', 'opt', 'usr', 'dev'):
        (tmp_path / name).mkdir()
    return PrivateWords(
        {'/home/anna/acme robot/.venv': '<python>', '/home/anna/src/trt': '<trt_segmentation>'},
        {'anna': '<user>', 'acme-lab-7': '<host>'}, {'hunter22': '<DB_PASSWORD>'}, tmp_path)


@pytest.mark.parametrize('text, shown', [
    ('File "/home/anna/src/trt/gpu/slots.py", line 3', 'File "<trt_segmentation>/gpu/slots.py", '
     'line 3'),
    ('File "/home/anna/src/trt2/gpu/x.pyc"', 'File "<path>"'),
    ('/home/anna/acme robot/.venv/lib/python3.11/site-packages/numpy',
     '<python>/lib/python3.11/site-packages/numpy'),
    ("cannot open '/home/anna/Project X/secret plan.onnx'", "cannot open '<path>'"),
    ('/srv/other/lib/python3.10/site-packages/onnx/x.py:7',
     '<path>/site-packages/onnx/x.py:7'),
    ('/opt/acme/libnvinfer.so.10.3.0: no such file', '<path>/libnvinfer.so.10.3.0: no such file'),
    ('/usr/local/cuda/lib64:/home/anna/lib:/opt/ros/humble/lib',
     '/usr/local/cuda/lib64:<path>:/opt/ros/humble/lib'),
    ('/dev/shm has 64 MiB', '/dev/shm has 64 MiB'),
    ('TensorRT 10.3.0.26 refuses /backbone/backbone.0/Conv', 'TensorRT 10.3.0.26 refuses '
     '/backbone/backbone.0/Conv'),
    ('no image on /camera/image_raw; Anna looks', 'no image on /camera/image_raw; <user> looks'),
    ('ACME-LAB-7.local: hannah and annan', '<host>.local: hannah and annan'),
    ('https://anna:pw@example.org/simple/x', 'https://<user>@example.org/simple/x'),
    ('connect(password=hunter22)', 'connect(password=<DB_PASSWORD>)'),
    ('devices GPU-8f6b3c1d-0000-1111-2222-333344445555,1', 'devices GPU-<id>,1'),
    ('mean/std 1/255', 'mean/std 1/255')])
def test_private_words_are_replaced_and_nothing_else(words, text, shown):
    assert words.hide(text) == shown


def test_every_text_of_a_tree_is_hidden_and_the_keys_stay(words):
    tree = {'anna': ['/home/anna/x', {'n': 3, 'ok': True, 'none': None}], 'share': 0.5}
    assert words.hide_all(tree) == {
        'anna': ['<path>', {'n': 3, 'ok': True, 'none': None}], 'share': 0.5}


def test_the_words_come_from_this_machine(monkeypatch):
    for name, value in {'USER': 'berta', 'HOME': '/home/carla', 'API_TOKEN': 's3cr3t-value',
                        'SHORT_KEY': 'abc', 'RETRY_KEYS': '1234567', 'PLAIN': 'not a secret',
                        'HOSTNAME': 'root'}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, 'gethostname', lambda: 'lab-pc.acme.example')
    words = words_of_this_machine()
    assert {'berta': '<user>', 'carla': '<user>', 'lab-pc.acme.example': '<host>',
            'lab-pc': '<host>'}.items() <= words.words.items()
    assert not {'root', 'ubuntu', ''} & set(words.words)
    assert words.secrets['s3cr3t-value'] == '<API_TOKEN>'
    assert not {'abc', '1234567', 'not a secret'} & set(words.secrets)
    package = Path(private_text.__file__).parents[2]
    assert words.hide(f'File "{package}/stats.py"') == 'File "<trt_segmentation>/stats.py"'
    if not sys.prefix.startswith('/usr'):
        assert words.hide(f'{sys.prefix}/bin/python') == '<python>/bin/python'


def test_a_user_without_a_name_is_no_error(monkeypatch):
    """A container may run as a number that /etc/passwd does not have."""
    monkeypatch.setattr(os, 'getuid', lambda: 987654)
    assert isinstance(words_of_this_machine().words, dict)
