# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings of Python reach the log of the newest node."""

import logging

from trt_segmentation.ros.process.python_log import forward_python_log

log = logging.getLogger('trt_segmentation.model.output_watch')


class Logger:
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(('warning', text))

    def error(self, text):
        self.lines.append(('error', text))


def test_the_newest_node_gets_each_warning_once():
    old, new = Logger(), Logger()
    forward_python_log(old)
    forward_python_log(new)
    log.info('nothing')
    log.warning('model %s: a kind', 'net')
    log.error('lost')
    assert (old.lines, new.lines) == ([], [('warning', 'model net: a kind'), ('error', 'lost')])


def test_a_logger_that_fails_does_not_stop_the_caller(capsys):
    forward_python_log(object())
    log.warning('a kind')
    assert 'AttributeError' in capsys.readouterr().err
    forward_python_log(Logger())
