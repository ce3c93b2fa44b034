# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile model cards, such as YAML bombs, huge files and wrong types.

Each card gives one short ModelCardError that names the file and the mistake. The reader needs less
than a second and a few megabytes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
import random
import re
import tracemalloc

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from trt_segmentation.commands import cli
from trt_segmentation.errors import ModelCardError
from trt_segmentation.installed.files import share_path
from trt_segmentation.model.card import card_from_dict, load_card, ModelCard

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
    'deep lists': ('classes: ' + '[' * 50_000, 'more than 6 levels deep'),
    'deep mappings': ('{a: ' * 50_000, 'more than 6 levels deep'),
    'three megabytes': (SOUND + '#' * (3 << 20),
                        '3,145,765 bytes, but at most 1,048,576 are allowed'),
    'a long name': (SOUND + f'name: {"x" * 5000}\n', 'a value has 5,000 characters'),
    'a long number': (SOUND + f'input: {{pad: {"9" * 900}}}\n', 'expected a whole number'),
    'a longer number': (SOUND + f'input: {{pad: {"9" * 6000}}}\n', 'a value has 6,000 characters'),
    'a number of base 60': (SOUND + f'input: {{pad: {"1:" * 400}1}}\n', 'input: pad'),
    'an object': ('!!python/object/apply:os.system ["true"]', "os.system' is a tag"),
    'a tag in a value': (SOUND + 'name: !!python/name:os.system x\n', "os.system' is a tag"),
    'a tag of a list': (SOUND + 'input: {mean: !!set {1, 2, 3}}\n', 'set. is a tag'),
    'bytes in base 64': (SOUND + 'name: !!binary aGk=\n', 'binary. is a tag'),
    'two documents': (f'{SOUND}---\n{SOUND}', 'expected a single document'),
    'a key twice as a list': ('? [a]\n: 1\n', 'unhashable|expected'),
    'bytes': (b'\xff\xfe\x00\x01\x02', 'cannot be read as YAML'),
    'control characters': (SOUND + 'name: "\x1b[31m"\n', 'cannot be read as YAML'),
    'nothing': ('', 'the file has no content'),
    'a comment': ('# model: net.onnx\n', 'the file has no content'),
    'UTF-16': (SOUND.encode('utf-16'), 'byte 0 is not UTF-8 text; save the file as UTF-8'),
    'UTF-16 without a mark': (SOUND.encode('utf-16-le'), 'cannot be read as YAML'),
    'UTF-8 cut off': ('name: \u00e9'.encode()[:-1], 'byte 6 is not UTF-8 text'),
    'a key twice': (SOUND + 'model: other.onnx\n', "line 3: the key 'model' is there twice"),
    'a merge': (SOUND + '<<: {name: n}\n', "unknown key '<<'"),
    'an escape in the name': (SOUND + r'name: "a\e]0;owned\a"', r'name is .* character U\+001B'),
    'a forged line': (SOUND + r'name: "a\n[FATAL] [1.0] [seg]: on fire"', r'character U\+000A'),
    'a surrogate': (SOUND + r'name: "\ud800"', r"name is '\\ud800', with the character U\+D800"),
    'text from right to left': (SOUND + r'name: "\u202egnp.exe"', r'character U\+202E'),
    'a name of one byte C1': (SOUND + r'name: "\x9b31m"', r'character U\+009B'),
    'an escape in a class': (r'{model: m, classes: [road, "\e[31m"]}', r'number 1 .* U\+001B'),
    'a surrogate in a class': (r'{model: m, classes: ["\udc00", b]}', r'number 0 .* U\+DC00'),
    'an escape in model': (r'{model: "\e[2J", classes: [a, b]}', r'model is .* U\+001B'),
    'a NUL in model': (r'{model: "a\0b", classes: [a, b]}', r'model is .* U\+0000'),
    'an escape in classes': (r'{model: m, classes: "\e[2J"}', r'classes is .* U\+001B'),
    'an escape in palette': (SOUND + r'palette: "\e[2J"', r'palette is .* U\+001B'),
    'an escape in an input': (SOUND + r'input: {name: "\e[2J"}', r'input: name is .* U\+001B'),
    'an escape in an output': (SOUND + r'output: {name: "\e[2J"}', r'output: name .* U\+001B'),
    'an escape in a key': (SOUND + r'"\e[2J": 1', r"unknown key '\\x1b\[2J'"),
    'an escape in color': (SOUND + r'input: {color: "\e[2J"}', r"color: '\\x1b\[2J'; expected"),
    'a line break in a message': ('a: [\u2028[FATAL]: {', 'cannot be read as YAML'),
    'a name of a number': (SOUND + 'name: 7\n', r'name is 7 \(int\); expected text\. Put'),
    'a class of a number': ('model: m\nclasses: [a, 1]\n', r'classes: number 1 is 1 \(int\)'),
    'a class of a truth': ('model: m\nclasses: [a, true]\n', r'number 1 is True \(bool\)'),
    'a class of nothing': ('model: m\nclasses: [a, ~]\n', r'number 1 is None \(NoneType\)'),
    'a class of a list': ('model: m\nclasses: [a, [b]]\n', r"number 1 is \['b'\] \(list\)"),
    'a class without a name': ('model: m\nclasses: [a, ""]\n', "number 1 is ''; expected text"),
    'a class of a space': ('model: m\nclasses: [a, " "]\n', "number 1 is ' '; expected text"),
    'input false': (SOUND + 'input: false\n', 'input: expected a mapping, got False'),
    'output empty list': (SOUND + 'output: []\n', r'output: expected a mapping, got \[\]'),
    'palette of truths': (SOUND + 'palette: [[true, 0, 0], [0, 0, 0]]\n', 'colour 0 is .True'),
    'mean of base 60': (SOUND + 'input: {mean: [0:00.5, 1:20, 0]}\n', "'0:00.5', '1:20', 0"),
    'mean of a date': (SOUND + 'input: {mean: [2026-01-01, 0, 0]}\n', "'2026-01-01', 0, 0"),
    'mean of a huge number': (SOUND + f'input: {{mean: [{"9" * 900}, 0, 0]}}\n', 'be finite'),
    'std of a huge number': (SOUND + f'input: {{std: [-{"9" * 900}, 1, 1]}}\n', 'be finite'),
    'std of infinity': (SOUND + 'input: {std: [.inf, 1, 1]}\n', 'std: .* must be finite'),
    'threshold of nothing': (SOUND + 'output: {threshold: .nan}\n', 'must be finite'),
    'threshold of a huge number': (SOUND + f'output: {{threshold: {"9" * 900}}}\n', 'finite'),
    'octal height': (SOUND + 'input: {height: 0o17}\n', "height: '0o17'; expected a whole"),
    'a long list for a number': (SOUND + f'input: {{pad: {list(range(9999))}}}\n', 'input: pad'),
    'a long list for a word': (SOUND + f'input: {{color: {list(range(9999))}}}\n', 'color'),
    'a long list for a colour': (SOUND + f'palette: [{list(range(9999))}, 1]\n', 'colour 0'),
    'home of nobody': ('model: ~nosuchuser/m.onnx\nclasses: [a, b]\n',
                       "model: '~nosuchuser/m.onnx' names the home folder of a user"),
    'classes of nobody': ('model: m.onnx\nclasses: ~nosuchuser/c.yaml\n',
                          "model card '~nosuchuser/c.yaml': .* names the home folder"),
    'a long path': (f'model: {"x/" * 400}{"y" * 190}\nclasses: {"z" * 900}\n', 'too long'),
    'a long model': (f'model: {"x" * 900}\nclasses: [a, b]\n', 'model: .*too long'),
    'a list': ('[1, 2]', 'a model card is a mapping, but this file is a list'),
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
    """load_card raises one error, and a command exits with 2 and one error."""
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
    assert said.isprintable() and err.count('\n') == 1 and err.rstrip('\n').isprintable()


@pytest.mark.parametrize('make, words', [
    ('folder', 'cannot be read as YAML: .*odd.yaml is not a regular file'),
    ('pipe', 'cannot be read as YAML: .*odd.yaml is not a regular file'),
    ('device', 'cannot be read as YAML: .*odd.yaml is not a regular file'),
    ('circle', 'Too many levels of symbolic links|does not exist'),
    ('unreadable', 'Permission denied')])
def test_card_that_is_another_kind_of_file_is_refused_at_once(tmp_path, make, words, monkeypatch):
    """A pipe would block the reader, and a device has no end."""
    path = tmp_path / 'odd.yaml'

    def unreadable():
        path.write_text(SOUND)
        if os.getuid() == 0:    # root may read any file
            def denied(*args):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            monkeypatch.setattr(os, 'open', denied)
        path.chmod(0)

    {'folder': path.mkdir, 'pipe': lambda: os.mkfifo(path), 'unreadable': unreadable,
     'device': lambda: path.symlink_to('/dev/zero'),
     'circle': lambda: path.symlink_to(path)}[make]()
    assert re.search(words, refused(path))


@pytest.mark.parametrize('text', [
    '~nosuchuser/card.yaml', 'x' * 300 + '.yaml', 'x' * 5000, 'a\0b.yaml', '\x1b[31m.yaml',
    'a\n[FATAL] b.yaml', '\ud800.yaml', '\x1b[31m.onnx', '/proc/self/mem/card.yaml', ''])
def test_odd_path_of_a_card_is_one_error(text):
    said = refused(text)
    assert said.isprintable() and len(said) < 6000


def test_card_in_an_odd_folder_is_refused(tmp_path):
    """The name of the folder appears in the log, so it must be printable."""
    folder = tmp_path / 'a\n[FATAL] [seg_node]: b'
    folder.mkdir()
    (folder / 'card.yaml').write_text(SOUND)
    message = refused(folder / 'card.yaml')
    assert r'a\n[F' in message and '\n' not in message


def test_words_are_read_as_they_are_written(tmp_path):
    """YAML 1.1 reads some words as booleans, numbers or dates. In a card they are text."""
    names = ['no', 'on', 'Off', 'yes', 'y', '1:20', '2026-01-01', '010', '0x1F', '1_000', '=',
             '<<', '1e', 'e5', '-', '1.2.3', 'Tram', 'null island']
    path = tmp_path / 'card.yaml'
    path.write_text('\ufeffmodel: m.onnx\nname: on\nclasses:\n' + ''.join(
        f'- {name}\n' if name != '-' else '- "-"\n' for name in names), encoding='utf-8')
    card = load_card(path)
    assert card.name == 'on' and list(card.classes) == names


def test_names_in_any_script_are_taken(tmp_path):
    path = tmp_path / 'card.yaml'
    path.write_text('model: m.onnx\nname: Straße\nclasses: [дорога, 歩道, طريق, "a: b", 🚗]\n',
                    encoding='utf-8')
    assert load_card(path).classes == ('дорога', '歩道', 'طريق', 'a: b', '🚗')


class Counted(str):
    """A string that counts its comparisons."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)

    def __str__(self):
        return self


def test_a_name_that_is_there_twice_is_found_in_linear_time():
    """The reader needs only a few comparisons for each name."""
    count = 4000
    names = [Counted(f'class {n}') for n in range(count)]
    names[-1] = Counted(f'class {count - 2}')
    Counted.compared = 0
    with pytest.raises(ModelCardError, match=rf"'class {count - 2}' is listed 2 times"):
        card_from_dict({'model': 'm.onnx', 'classes': names})
    assert Counted.compared < 10 * count


CHARACTERS = st.one_of(
    st.characters(), st.sampled_from('\0\x1b\x7f\x85\x9b\ud800\udfff\u202e\u2028\ufeff\n\r\t'),
    st.sampled_from('[]{}:,-?!&*#|>%@`"\'\\<~=0123456789.abcdefnoyt '))
WORDS = st.sampled_from([
    'model', 'classes', 'palette', 'input', 'output', 'name', 'mean', 'std', 'color', 'pad',
    'height', 'threshold', 'kind', ': ', '- ', '\n', '\n  ', '[', ']', '{', '}', ', ', '~',
    '!!int', '!!float ', '&a ', '*a', '<<: ', '1:20', '.nan', '.inf', '-.inf', '9' * 400,
    '2026-01-01', 'no', 'true', '"', "'", '|', '>', '? ', '---', '...', '%YAML 1.1', '%TAG ! x',
    '\\ud800', '\\x1b', '0b', '0x', '1_0', 'm.onnx', 'street', 'cityscapes', '~nosuchuser/x',
    '/', '..'])
ANY_TEXT = st.one_of(st.text(CHARACTERS, max_size=60), st.lists(
    st.one_of(WORDS, st.text(CHARACTERS, max_size=3)), max_size=25).map(''.join))
ANY_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(CHARACTERS),
              st.dates(), st.binary(max_size=8), st.sampled_from([10**400, -10**400, 'street'])),
    lambda inner: st.one_of(st.lists(inner, max_size=4),
                            st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner,
                                            max_size=3)), max_leaves=12)


def is_sound(card: ModelCard) -> bool:
    """Return True if every text of the card is printable and every number is finite."""
    texts = [card.name, str(card.model), card.input.name, card.output.name, *card.classes]
    return (all(text.isprintable() for text in texts) and all(card.classes)
            and len(card.classes) == len(card.palette)
            and bool(np.isfinite(
                [*card.input.mean, *card.input.std, card.output.threshold]).all()))


@settings(deadline=None, max_examples=600,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY_TEXT, start=st.sampled_from(['', SOUND, SOUND + 'input:\n  ', 'model: m\n']),
       encoding=st.sampled_from(['utf-8', 'utf-8', 'utf-8-sig', 'utf-16', 'latin-1']))
def test_any_text_is_a_card_or_one_error(tmp_path, text, start, encoding):
    """A card of any text must raise no other error."""
    path = tmp_path / 'odd.yaml'
    path.write_bytes((start + text).encode(encoding, 'surrogatepass' if encoding.startswith('utf')
                                           else 'replace'))
    try:
        assert is_sound(load_card(path))
    except ModelCardError as error:
        said = str(error)
        assert str(path) in said and len(said) < 4000 and said.isprintable()


@settings(deadline=None, max_examples=600)
@given(key=st.sampled_from(['name', 'model', 'classes', 'palette', 'input', 'output', 'x']),
       inner=st.sampled_from(['', 'name', 'layout', 'height', 'color', 'mean', 'std', 'resize',
                              'pad', 'kind', 'threshold']), value=ANY_VALUE)
def test_any_value_of_a_key_is_a_card_or_one_error(key, inner, value):
    tree = {'model': 'm.onnx', 'classes': ['a', 'b'], key: {inner: value} if inner else value}
    try:
        assert is_sound(card_from_dict(tree))
    except ModelCardError as error:
        assert len(str(error)) < 4000 and str(error).isprintable()


def test_cards_that_refer_to_each_other_are_refused(tmp_path):
    """A card must not take its classes from itself, or from a card that refers back."""
    one, two = tmp_path / 'one.yaml', tmp_path / 'two.yaml'
    one.write_text(f'model: a\nclasses: {one}\n')
    assert 'name the card that has the list' in refused(one)
    one.write_text(f'model: a\nclasses: {two}\npalette: {two}\n')
    two.write_text(f'model: a\nclasses: {one}\npalette: {one}\n')
    assert 'name the card that has the list' in refused(one)
    two.write_text('model: a\nclasses: cityscapes\npalette: cityscapes\n')
    assert len(load_card(one).classes) == 19


def test_random_damage_is_a_card_or_one_error(tmp_path):
    """The test changes, removes or inserts a few bytes of an installed card, 1,000 times."""
    whole = (share_path('config', 'models') / 'street.yaml').read_bytes()
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
