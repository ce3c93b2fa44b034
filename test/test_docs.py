# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pages are built without a warning, need no network, and agree with the code."""

from __future__ import annotations

import ast
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec, module_from_spec, spec_from_file_location
import inspect
import os
from pathlib import Path
import re
import subprocess
import sys

from markdown_blocks import blocks
import pytest
from test_house_rules import FLOORS, OTHER_ROOT_FILES, SHARED

from trt_segmentation import SegmentedImage, Segmenter

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'
GENERATED = {'cli', 'topics'}
NEEDED = {('link', 'href'), ('script', 'src'), ('img', 'src'), ('source', 'src'), ('use', 'href')}
"""Elements that a browser loads without a click."""


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages as HTML with warnings as errors."""
    pytest.importorskip('sphinx')
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-n', '-b', 'html', '-d',
         str(tmp_path_factory.mktemp('doctrees')), str(DOCS), str(out)],
        capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize('name', ['cli', 'parameters', 'topics'])
def test_generated_pages_hold_no_html(name):
    """A ``<`` outside code would start an HTML tag."""
    text = re.sub(r'```.*?```', '', (DOCS / f'{name}.md').read_text(encoding='utf-8'), flags=re.S)
    assert not re.findall('<.*', re.sub('`[^`]*`', '', text))


def test_generated_tables_escape_html():
    spec = spec_from_file_location('generate_cli', DOCS / 'generate' / 'cli.py')
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.table(('a',), [('<b> `<c>|` <d',)])[2] == r'| &lt;b> `<c>\|` &lt;d |'


def test_every_page_is_there(site: Path) -> None:
    pages = {path.stem for kind in ('*.md', '*.ipynb') for path in DOCS.glob(kind)}
    assert pages == {path.stem for path in site.glob('*.html')} - {'genindex', 'search',
                                                                   'py-modindex'}


class Loads(HTMLParser):
    """Collects the addresses that a browser loads for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or '' for name, value in attributes if (tag, name) in NEEDED]


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    loaded = 0
    for page in site.glob('*.html'):
        for address in Loads(page.read_text(encoding='utf-8')).found:
            assert not re.match(r'(https?:)?//', address), f'{page.name} loads {address}'
            path = (page.parent / re.sub(r'[?#].*', '', address)).resolve()
            assert address.startswith('data:') or path.exists(), f'{page.name}: no {address}'
            loaded += 1
    for sheet in (site / '_static').rglob('*.css'):
        text = sheet.read_text(encoding='utf-8')
        assert not re.search(r'@import|url\(\s*["\']?(https?:)?//', text), sheet
    assert loaded > 50


@pytest.mark.parametrize('name', sorted(GENERATED))
def test_references_agree_with_the_code(name: str) -> None:
    if name == 'topics':
        pytest.importorskip('rclpy')
    done = subprocess.run(
        [sys.executable, DOCS / 'generate' / f'{name}.py'], capture_output=True, timeout=100,
        check=False, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == (DOCS / f'{name}.md').read_text(encoding='utf-8'), \
        f'docs/{name}.md is out of date; run ./dev docs'
    if name == 'topics':  # docs/troubleshooting.md quotes this message
        told = b'`label_info` is not published' in done.stderr
        assert told == (find_spec('vision_msgs') is None)


@cache
def literals() -> list[set[str]]:
    """Return the strings of each file of the package. An f-string gives its constant parts."""
    return [{node.value for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            for path in (ROOT / 'trt_segmentation').rglob('*.py')]


def is_in_code(part: str, texts: set[str], joints: int = 2) -> bool:
    """Return True if a text is part of one string, or consists of up to joints + 1 parts."""
    if any(part in text for text in texts):
        return True
    return joints > 0 and any(
        any(part[:cut] in text for text in texts) and is_in_code(part[cut:], texts, joints - 1)
        for cut in range(len(part) - 1, 1, -1) if not (part[cut - 1] + part[cut]).isalnum())


QUOTES = [(block.where, message) for page in sorted(DOCS.glob('*.md'))
          if page.stem not in GENERATED for block in blocks(page) if block.language == 'text'
          for message in block.text.splitlines()]


@pytest.mark.parametrize(('where', 'message'), QUOTES)
def test_quoted_messages_are_in_the_code(where: str, message: str) -> None:
    parts = [part.strip() for part in message.split('…') if part.strip(' .;:()')]
    assert parts
    for part in parts:
        assert any(is_in_code(part, texts) for texts in literals()), \
            f'{where}: the code has no {part!r}'


def test_messages_are_quoted() -> None:
    assert len(QUOTES) > 25


def test_every_call_of_the_segmenter_is_in_the_table_of_docs_api() -> None:
    """GitHub does not show the generated reference, so docs/api.md has a table of the calls."""
    rows = {}
    for row in re.findall(r'^\| `(.*?) \|$', (DOCS / 'api.md').read_text('utf-8'), re.MULTILINE):
        call, arguments, _ = re.split(r'\s*\|\s*', f'`{row}')
        rows[call.strip('`')] = re.findall(r'`(\w+)=', arguments)
    for call, function in (("Segmenter(model='street')", Segmenter.__init__),
                           ('segment(image)', Segmenter.__call__),
                           ('segment.stream(source)', Segmenter.stream),
                           ('segment.close()', Segmenter.close),
                           ('answer.save(path)', SegmentedImage.save),
                           ('answer.show()', SegmentedImage.show)):
        first, *given = rows[call], *inspect.signature(function).parameters
        in_call = re.findall(r'\w+', call.partition('(')[2].partition('=')[0].strip(')'))
        assert [*in_call, *first] == given[1:], call
    for kind, found in (('segment', Segmenter), ('answer', SegmentedImage)):
        listed = set(re.findall(r'\.(\w+)', ' '.join(call for call in rows if kind in call)))
        public = {name for name in (*vars(found), *getattr(found, '__dataclass_fields__', ()))
                  if not name.startswith('_')}
        assert public - listed <= {'card', 'segment_images', 'allocate'}, kind


def anchors(page: Path) -> set[str]:
    headings = re.findall(r'^#+ (.+)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md',
                                  *sorted(DOCS.glob('*.md'))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8')):
        if re.match(r'https?://', target):
            continue
        name, _, anchor = target.partition('#')
        path = page.parent / name if name else page
        assert path.exists(), f'{page.name}: there is no {target}'
        assert not anchor or anchor in anchors(path), f'{page.name}: no heading {target}'


def test_architecture_lists_every_room_on_its_floor() -> None:
    """The table of rooms in docs/architecture.md agrees with FLOORS."""
    table: dict[int, set[str]] = {}
    for floor, names in re.findall(r'^\| (\d+) \| (`.*?`) \|',
                                   (DOCS / 'architecture.md').read_text('utf-8'), re.MULTILINE):
        table.setdefault(int(floor), set()).update(re.findall('`(.*?)`', names))
    for floor, rooms in enumerate(FLOORS, 1):
        files = {'the root': {f'{name}.py' for name in SHARED - {'__init__'}},
                 **{room: {f'{name}.py'} for name, room in OTHER_ROOT_FILES.items()}}
        assert table.pop(floor) == set().union(*(files.get(room, {f'{room}/'}) for room in rooms))
    assert not table


def test_files_named_in_the_text_exist() -> None:
    """The test checks paths between backquotes, such as ``config/…``."""
    for page in [ROOT / 'README.md', *DOCS.glob('*.md')]:
        for name in re.findall(r'`((?:config|benchmarks|resource|launch|docs)/[\w./]+\w)`',
                               page.read_text(encoding='utf-8')):
            assert (ROOT / name).exists(), f'{page.name}: there is no {name}'
