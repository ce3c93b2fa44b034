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

"""ONNX files cut off, spoilt and hostile, given to everything that opens one.

What must happen: `trt_seg inspect`, `trt_seg build` and the opening of an engine each say in one
clear error what is wrong with the file, naming it; nothing outside the model's folder is read;
and no memory is taken for sizes that are only said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import os
from pathlib import Path
import random
import re

from faults.hostile_onnx import CLASSES, external, FILES, network, write_neighbours
import onnx
import pytest
import yaml

from trt_segmentation import cli
from trt_segmentation.builder.graph import GraphError, model_digest
from trt_segmentation.engines import EngineError
from trt_segmentation.engines.onnx_file import INNER, NAMES, summarise
from trt_segmentation.engines.onnxruntime import OnnxRuntimeEngine
from trt_segmentation.inspection import guess, inspect_model
from trt_segmentation.model_card import load_card
from trt_segmentation.signature import Tensor

SPARE = 150 << 20
"""Bytes a library may take on the way to its error, besides twice the file's own."""
QUIET = 3_000
"""Characters of the longest error."""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('parent') / 'models'
    folder.mkdir()
    write_neighbours(folder)
    for name, (content, _) in FILES.items():
        write(folder, name, content)
    return folder


def write(folder: Path, name: str, content: bytes,
          classes: str | tuple[str, ...] = tuple('abcde')) -> Path:
    """A network and its card; returns the card's path."""
    (folder / f'{name}.onnx').write_bytes(content)
    card = folder / f'{name}.yaml'
    card.write_text(yaml.safe_dump({
        'model': f'{name}.onnx',
        'classes': classes if isinstance(classes, str) else list(classes)}))
    return card


def peak_memory(run: Callable[[], object]) -> int:
    """Bytes by which this process grew at most while it ran; 0 where the system does not tell."""
    try:
        Path('/proc/self/clear_refs').write_text('5')       # forget the peak so far
    except OSError:
        run()
        return 0
    before = resident()
    run()
    return resident() - before


def resident() -> int:
    text = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', text)[1]) << 10


def error_of(run: Callable[[], object]) -> str:
    with pytest.raises((EngineError, GraphError)) as caught:
        run()
    return str(caught.value)


def told(text: str, name: str, words: str) -> bool:
    return bool(re.search(words, text)) and name in text and len(text) < QUIET


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_an_engine(folder, name):
    """Opening an engine, and the digest that a cached engine is found by, refuse the file."""
    card = load_card(folder / f'{name}.yaml')
    content, words = FILES[name]
    texts: list[str] = []
    grown = peak_memory(lambda: texts.append(error_of(lambda: OnnxRuntimeEngine(card))))
    assert told(texts[0], f'{name}.onnx', words), texts
    assert grown < 2 * len(content) + SPARE
    if name not in ('wide', 'large', 'many', 'cycle'):      # of these only the graph is wrong
        assert told(error_of(lambda: model_digest(card.model)), f'{name}.onnx', words)


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_inspect(folder, name, capsys):
    """It exits with 2 and one error, or with 1 and what there is to say of an absurd size."""
    content, words = FILES[name]
    codes: list[int] = []
    path = str(folder / f'{name}.onnx')
    grown = peak_memory(lambda: codes.append(cli.main(['inspect', path])))
    out, err = capsys.readouterr()
    if name in ('wide', 'large', 'many'):
        assert codes == [1] and 'Not a segmentation network as it is' in out
    else:
        assert codes == [2] and err.startswith('trt_seg: error: ') and out == ''
    assert told(out + err, f'{name}.onnx', words)
    assert grown < 2 * len(content) + SPARE


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_a_build(folder, name, capsys, tmp_path):
    """It exits with 2 and one error, and no plan is written."""
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')
    content, words = FILES[name]
    codes: list[int] = []
    command = ['build', str(folder / f'{name}.yaml'), '--precision', 'fp32', '--out',
               str(tmp_path / 'net.plan')]
    grown = peak_memory(lambda: codes.append(cli.main(command)))
    err = capsys.readouterr().err
    assert codes == [2] and err.count('trt_seg: error: ') == 1
    assert re.search(words, err.replace('\n', ' ')) and len(err) < QUIET
    assert grown < 2 * len(content) + SPARE
    assert not list(tmp_path.iterdir())


def test_nothing_outside_the_folder_is_opened(folder, monkeypatch):
    """Not even to be hashed: a digest of /dev/zero would never end."""
    opened = []
    monkeypatch.setattr(Path, 'read_bytes', lambda path: opened.append(path))
    for name in ('absolute', 'endless', 'above', 'around', 'link'):
        error_of(lambda name=name: model_digest(folder / f'{name}.onnx'))
    assert opened == []


def test_sound_external_data_is_taken(folder):
    """The weights beside the model are found, and are part of its digest."""
    model = network(external(location='weights.bin', offset=0, length=60))
    card = load_card(write(folder, 'sound', model.SerializeToString()))
    assert summarise(card.model).external == {'weights.bin'}
    assert OnnxRuntimeEngine(card).signature.output.channels == CLASSES
    before = model_digest(card.model)
    (folder / 'weights.bin').write_bytes(bytes(60))
    assert model_digest(card.model) != before


def test_output_of_a_billion_classes_gives_no_card_of_a_billion_lines():
    """Inspect would list the classes of a network without a card."""
    image = Tensor('image', 'float32', (1, 3, 32, 32))
    for classes, words in ((65535, '65535 classes; a label map tells 65534 apart'),
                           (10**10, r'has 4e\+10 numbers; at most 2.15e\+09 are taken')):
        with pytest.raises(EngineError, match=words):
            guess([image], [Tensor('logits', 'float32', (1, classes, 2, 2))])


def test_pipe_is_not_waited_for(tmp_path):
    """A named pipe called .onnx is said not to be there; reading it would block for ever."""
    os.mkfifo(tmp_path / 'pipe.onnx')
    with pytest.raises(EngineError, match='there is no ONNX file'):
        summarise(tmp_path / 'pipe.onnx')


def test_field_numbers_are_those_of_onnx():
    """What is looked into, and what are names, by the onnx package's own description."""
    kinds = onnx.ModelProto.DESCRIPTOR.file.message_types_by_name

    def kind(name):
        return kinds[name if name == 'TrainingInfoProto' else f'{name}Proto']

    for message, inner in INNER.items():
        fields = kind(message).fields_by_number
        assert {n: fields[n].message_type.name for n in inner} == {
            n: f'{name}Proto' for n, name in inner.items()}
        assert {fields[n].type for n in NAMES[message]} <= {fields[1].TYPE_STRING}
        # every message that can hold weights is looked into
        holders = {'TensorProto', 'SparseTensorProto', 'GraphProto', 'NodeProto',
                   'AttributeProto', 'FunctionProto', 'TrainingInfoProto'}
        assert {n for n, f in fields.items()
                if f.message_type and f.message_type.name in holders} <= set(inner)


def open_or_refuse(path: Path) -> str:
    """What becomes of one spoilt file: refused by both, or read by both."""
    card = load_card(path.with_suffix('.yaml'))
    try:
        OnnxRuntimeEngine(card).close()
        done = 'opened'
    except EngineError as error:
        assert path.name in str(error) and len(str(error)) < QUIET
        done = 'refused'
    try:
        inspect_model(path)
    except EngineError as error:
        assert path.name in str(error) and len(str(error)) < QUIET
    return done


def spoil(folder: Path, how: str, count: int, seed: int) -> Counter[str]:
    """Spoil the demo network at random places and open what is left."""
    whole = load_card('street').model.read_bytes()
    card = write(folder, how, whole, 'street')
    rng, seen = random.Random(seed), Counter()
    for _ in range(count):
        data = bytearray(whole)
        # half of the places in the head, where graphs are; most of a file is weights
        at = rng.randrange(len(data) if rng.randrange(2) else 20_000)
        if how == 'cut':
            del data[at:]
        else:
            data[at] ^= 1 << rng.randrange(8)
        path = card.with_suffix('.onnx')
        path.write_bytes(data)
        seen[open_or_refuse(path)] += 1
    return seen


def test_network_cut_off_anywhere_is_refused(tmp_path):
    """At 100 random places; a file cut off between two fields is refused by what it lacks."""
    assert spoil(tmp_path, 'cut', 100, seed=1) == {'refused': 100}


def test_network_with_a_flipped_bit_is_refused_or_opens(tmp_path):
    """At 60 random places; a weight may have any value, so some open."""
    assert spoil(tmp_path, 'flip', 60, seed=2).total() == 60


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('how', ['cut', 'flip'])
def test_spoilt_networks_by_the_thousand(tmp_path, how):
    """The same, 3,000 of each."""
    assert spoil(tmp_path, how, 3000, seed=3).total() == 3000
