# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fenced blocks of Markdown pages, their commands, and the output that they show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re

import yaml

FENCE = re.compile(r'^([ \t]*)```(\S+)[^\n]*\n(.*?)^\1```[ \t]*$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, first line, language and text without the indent."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f'{self.page.name}:{self.line}'

    @property
    def saved_as(self) -> str:
        """File name in the first comment of a YAML block; empty if there is none."""
        found = re.match(r'# (\S+\.ya?ml)\n', self.text)
        return found[1] if self.language == 'yaml' and found else ''

    @property
    def commands(self) -> list[str]:
        """Commands of a bash block or of a workflow, without comments."""
        if self.language == 'yaml':
            return [step['run'] for job in workflow(self.text).get('jobs', {}).values()
                    for step in job['steps'] if 'run' in step]
        if self.language != 'bash':
            return []
        lines = self.text.replace('\\\n', ' ').splitlines()
        return [line for text in lines if (line := re.sub(r'(^|\s)#.*$', '', text).strip())]


def workflow(text: str) -> dict:
    """Parse YAML. Return {} if the text is not a mapping."""
    tree = yaml.safe_load(text)
    return tree if isinstance(tree, dict) else {}


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding='utf-8')
    found = []
    for match in FENCE.finditer(text):
        indent, language, body = match.groups()
        body = re.sub(f'^{indent}', '', body, flags=re.MULTILINE)
        found.append(Block(page, text[:match.start()].count('\n') + 1, language, body))
    return found


def assert_shown(block: Block, printed: str) -> None:
    """Assert that the lines of a block were printed in order.

    An … in the block stands for any text, and figures may differ by 0.02.
    """
    lines = iter(printed.splitlines())
    for shown in block.text.splitlines():
        assert any(is_alike(shown, line) for line in lines), \
            f'{block.where}: {shown!r} was not printed, or not in this order:\n{printed}'


def is_alike(shown: str, printed: str) -> bool:
    """Return True if a printed line agrees with the line of the page."""
    pieces = re.split(r'(…|\d+\.\d+)', shown)
    pattern = ''.join({'…': '.*'}.get(piece, r'(\d+\.\d+)' if index % 2 else re.escape(piece))
                      for index, piece in enumerate(pieces))
    found = re.fullmatch(pattern, printed.rstrip())
    figures = [float(piece) for piece in pieces[1::2] if piece != '…']
    return found is not None and all(abs(a - float(b)) <= 0.02
                                     for a, b in zip(figures, found.groups()))
