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

"""Model cards that are no model cards: bombs, giants, wrong types.

What must happen: one ModelCardError of a few lines that names the file and what is wrong, within
a second and a few megabytes.
"""

from __future__ import annotations

from pathlib import Path
import random
import re
import tracemalloc

import pytest

from trt_segmentation import cli
from trt_segmentation.model_card import load_card, ModelCardError
from trt_segmentation.share import share_path

SOUND = 'model: net.onnx\nclasses: [road, car]\n'
LAUGHS = '\n'.join(
    ['a0: &a0 [lol, lol]'] + [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]'
                              for n in range(1, 12)])
MERGES = '\n'.join(
    ['m0: &m0 {x0: 1}'] + [f'm{n}: &m{n} {{<<: [{", ".join([f"*m{n - 1}"] * 9)}], x{n}: 1}}'
                           for n in range(1, 12)])

CARDS: dict[str, tuple[str | bytes, str]] = {
    'a billion laughs': (f'{LAUGHS}\nmodel: net.onnx\nclasses: *a11\n', r'\*a0 is a reference'),
    'a billion merges': (f'{MERGES}\nmodel: net.onnx\n', r'\*m0 is a reference'),
    'itself': ('&a [*a]', r'\*a is a reference'),
    'deep lists': ('classes: ' + '[' * 50_000, 'more than 6 deep'),
    'deep mappings': ('{a: ' * 50_000, 'more than 6 deep'),
    'three megabytes': (SOUND + '#' * (3 << 20), 'more than 1,048,576 bytes'),
    'a long name': (SOUND + f'name: {"x" * 5000}\n', 'a value of 5,000 characters'),
    'a long number': (SOUND + f'input: {{pad: {"9" * 900}}}\n', 'expected a whole number'),
    'a longer number': (SOUND + f'input: {{pad: {"9" * 6000}}}\n', 'a value of 6,000 characters'),
    'a number of base 60': (SOUND + f'input: {{pad: {"1:" * 400}1}}\n', 'input: pad'),
    'no such day': (SOUND + 'name: 2026-13-45\n', 'cannot be read as YAML: month must be in'),
    'an object': ('!!python/object/apply:os.system ["true"]', 'could not determine a constructor'),
    'a tag in a value': (SOUND + 'name: !!python/name:os.system x\n', 'could not determine'),
    'two documents': (f'{SOUND}---\n{SOUND}', 'expected a single document'),
    'a key twice as a list': ('? [a]\n: 1\n', 'unhashable|expected'),
    'bytes': (b'\xff\xfe\x00\x01\x02', 'cannot be read as YAML'),
    'control characters': (SOUND + 'name: "\x1b[31m"\n', 'cannot be read as YAML'),
    'nothing': ('', 'a model card is a mapping'),
    'a list': ('[1, 2]', 'a model card is a mapping, this is a list'),
    'a number as key': ('1: 2\n', 'unknown key 1'),
    'model a list': ('model: [a]\nclasses: [a, b]\n', 'model: give the path'),
    'classes a mapping': ('model: a\nclasses: {a: b}\n', 'classes: give a list'),
    'classes a number': ('model: a\nclasses: 7\n', 'classes: give a list'),
    'palette of words': (SOUND + 'palette: [red, green]\n', 'colour 0 is'),
    'palette of big numbers': (SOUND + 'palette: [[1, 2, 3], [1, 2, 1e9]]\n', 'colour 1 is'),
    'mean of nothing': (SOUND + 'input: {mean: [.nan, 0, 0]}\n', 'must be finite'),
    'input a list': (SOUND + 'input: [1]\n', 'input: expected a mapping'),
    'height of a float': (SOUND + 'input: {height: 1.5}\n', 'input: height'),
    'height beyond': (SOUND + 'input: {height: 1000000000}\n', '0 to 16384'),
    'color a list': (SOUND + 'input: {color: [rgb]}\n', 'color'),
}


def refused(path: Path) -> str:
    with pytest.raises(ModelCardError) as caught:
        load_card(path)
    return str(caught.value)


@pytest.mark.parametrize('name', CARDS)
def test_card_is_refused_in_a_few_lines(name, tmp_path, capsys):
    """By load_card, and by a command: exit code 2 and one error."""
    text, words = CARDS[name]
    path = tmp_path / 'odd.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    tracemalloc.start()
    try:
        said = refused(path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert re.search(words, said) and str(path) in said and len(said) < 1500, said[:1500]
    assert cli.main(['eval', '--model', str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith('trt_seg: error: ') and err.count(str(path)) >= 1
    assert '\x1b' not in err


def test_cards_that_take_their_classes_in_a_circle_are_refused(tmp_path):
    """From themselves, from each other, and along a chain that doubles at every link."""
    one, two = tmp_path / 'one.yaml', tmp_path / 'two.yaml'
    one.write_text(f'model: a\nclasses: {one}\n')
    assert 'from card to card' in refused(one)
    one.write_text(f'model: a\nclasses: {two}\npalette: {two}\n')
    two.write_text(f'model: a\nclasses: {one}\npalette: {one}\n')
    assert 'from card to card' in refused(one)
    two.write_text('model: a\nclasses: cityscapes\npalette: cityscapes\n')
    assert len(load_card(one).classes) == 19


def test_random_damage_is_a_card_or_one_error(tmp_path):
    """1,000 times a few bytes of an installed card are changed, taken out or doubled."""
    whole = (share_path('config', 'models') / 'cityscapes.yaml').read_bytes()
    rng, path, cards = random.Random(7), tmp_path / 'odd.yaml', 0
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(3)] = rng.choice([
                rng.randbytes(1), b'*a', b'&a ', b'[', b'{', b'!!', b': ', b'- ', b'\n', b'"'])
        path.write_bytes(data)
        try:
            cards += bool(load_card(path).classes)
        except ModelCardError as error:
            assert str(path) in str(error) and len(str(error)) < 3000
    assert 50 < cards < 950
