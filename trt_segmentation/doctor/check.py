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

"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import textwrap

OK, WARNING, ERROR = 'ok', 'warning', 'error'


@dataclass(frozen=True)
class Check:
    """What was looked at and found.

    :param status: ``error`` means that nothing works before it is mended, ``warning`` that
        something is slower, less or different.
    :param run: what to run or do about it; '' where nothing.
    """

    name: str
    status: str
    text: str
    run: str = ''

    def __str__(self) -> str:
        mark = {OK: 'ok     ', WARNING: 'warning', ERROR: 'ERROR  '}[self.status]
        indent = ' ' * 25
        text = textwrap.fill(self.text, 99, initial_indent=f'{mark} {self.name:16} ',
                             subsequent_indent=indent, break_long_words=False,
                             break_on_hyphens=False)
        return text + (f'\n{indent}→ {self.run}' if self.run else '')

    def tree(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)
