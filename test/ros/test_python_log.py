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

import logging

from trt_segmentation.ros.python_log import forward_python_log

log = logging.getLogger('trt_segmentation.signature.watch')


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


def test_a_logger_that_fails_does_not_stop_who_logs(capsys):
    forward_python_log(object())
    log.warning('a kind')
    assert 'AttributeError' in capsys.readouterr().err
    forward_python_log(Logger())
