# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Every reader of ONNX files refuses files that are cut off, damaged or hostile.

`trt_seg inspect`, `trt_seg build` and the opening of an engine each give one clear error that
names the file. No file outside the model's folder is read. If a file only claims a large size, no
memory is allocated for this size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import os
from pathlib import Path
import random
import re
import subprocess
import sys

from faults.hostile_onnx import (
    CLASSES,
    declares,
    external,
    FILES,
    network,
    write_neighbours,
)
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import pytest
import yaml

from trt_segmentation.builder.graph import model_digest
from trt_segmentation.commands import cli
from trt_segmentation.commands.inspect import guess, inspect_model
from trt_segmentation.engines.onnxruntime_cpu import OnnxRuntimeEngine
from trt_segmentation.errors import EngineError, GraphError
from trt_segmentation.model.card import load_card
from trt_segmentation.model.signature import Tensor
from trt_segmentation.untrusted.onnx_file import INNER, NAMES, summarise

SPARE = 150 << 20
"""Bytes that a library may allocate before its error, in addition to twice the file size."""
QUIET = 3_000
"""An error message has fewer characters than this."""


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
    (folder / f'{name}.onnx').write_bytes(content)
    card = folder / f'{name}.yaml'
    card.write_text(yaml.safe_dump({
        'model': f'{name}.onnx',
        'classes': classes if isinstance(classes, str) else list(classes)}))
    return card


def peak_memory(run: Callable[[], object]) -> int:
    """Run a function. Return the growth of the peak memory in bytes, or 0 if it is unknown."""
    try:
        Path('/proc/self/clear_refs').write_text('5')       # 5 resets the peak
    except OSError:
        run()
        return 0
    before = resident()
    run()
    return resident() - before


def resident() -> int:
    text = Path('/proc/self/status').read_text()
    (kilobytes,) = re.findall(r'VmHWM:\s+(\d+) kB', text)
    return int(kilobytes) << 10


def error_of(run: Callable[..., object]) -> str:
    with pytest.raises((EngineError, GraphError)) as caught:
        run()
    return str(caught.value)


def told(text: str, name: str, words: str) -> bool:
    return bool(re.search(words, text)) and name in text and len(text) < QUIET


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_an_engine(folder, name):
    """The engine refuses to open the file. The digest for the engine cache is refused too."""
    card = load_card(folder / f'{name}.yaml')
    content, words = FILES[name]
    texts: list[str] = []
    grown = peak_memory(lambda: texts.append(error_of(lambda: OnnxRuntimeEngine(card))))
    assert told(texts[0], f'{name}.onnx', words), texts
    assert grown < 2 * len(content) + SPARE
    # the digest does not check the graphs of these files
    if name not in ('wide', 'large', 'many', 'cycle'):
        assert told(error_of(lambda: model_digest(card.model)), f'{name}.onnx', words)


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_inspect(folder, name, capsys):
    """The exit code is 2 with one error, or 1 with a report for an absurd size."""
    content, words = FILES[name]
    codes: list[int] = []
    path = str(folder / f'{name}.onnx')
    grown = peak_memory(lambda: codes.append(cli.main(['inspect', path])))
    out, err = capsys.readouterr()
    if name in ('wide', 'large', 'many'):
        assert codes == [1] and 'This is no segmentation network' in out
    else:
        assert codes == [2] and err.startswith('trt_seg: error: ') and out == ''
    assert told(out + err, f'{name}.onnx', words)
    assert grown < 2 * len(content) + SPARE


@pytest.mark.parametrize('name', FILES)
def test_hostile_file_is_one_clear_error_of_a_build(folder, name, capsys, tmp_path):
    """The exit code is 2 with one error, and no plan is written."""
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
    """The digest must not read such a file either, because /dev/zero has no end."""
    opened = []
    real = os.open

    def watched(path, *args, **kwargs):
        opened.append(Path(path).name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, 'open', watched)
    for name in ('absolute', 'endless', 'above', 'around', 'link'):
        error_of(lambda name=name: model_digest(folder / f'{name}.onnx'))
    assert set(opened) == {f'{name}.onnx' for name in
                           ('absolute', 'endless', 'above', 'around', 'link')}


def test_valid_external_data_is_read(folder):
    """The weights beside the model are read and are part of its digest."""
    model = network(external(location='weights.bin', offset=0, length=60))
    card = load_card(write(folder, 'sound', model.SerializeToString()))
    assert summarise(card.model).external == {'weights.bin': 60}
    assert OnnxRuntimeEngine(card).signature.output.channels == CLASSES
    before = model_digest(card.model)
    (folder / 'weights.bin').write_bytes(bytes(60))
    assert model_digest(card.model) != before


def test_a_git_lfs_pointer_is_called_one(folder, capsys):
    """The advice is the same if the model is a pointer or if the weights are a pointer."""
    pointer = (b'version https://git-lfs.github.com/spec/v1\noid sha256:' + 64 * b'a'
               + b'\nsize 5000000\n')
    model = network(external(location='weights.bin', offset=0, length=60))
    card = load_card(write(folder, 'sound', model.SerializeToString()))
    words = 'is a Git LFS pointer, not the file itself; run `git lfs pull`'
    (folder / 'weights.bin').write_bytes(pointer)
    assert f"'weights.bin', which {words}" in error_of(lambda: OnnxRuntimeEngine(card))
    card.model.write_bytes(pointer)
    assert f'{card.model} {words}' in error_of(lambda: OnnxRuntimeEngine(card))
    assert cli.main(['inspect', str(card.model)]) == 2
    assert words in capsys.readouterr().err


def test_inspect_refuses_a_billion_classes():
    """Inspect writes one line for each class, so their number must be bounded."""
    image = Tensor('image', 'float32', (1, 3, 32, 32))
    for classes, words in ((65535, '65535 classes; a label map can hold at most 65534'),
                           (10**10, r'has 4e\+10 numbers; at most 2.15e\+09 are accepted')):
        with pytest.raises(EngineError, match=words):
            guess([image], [Tensor('logits', 'float32', (1, classes, 2, 2))])


def test_pipe_is_not_waited_for(tmp_path):
    """A named pipe would block a reader, so it counts as a missing file."""
    os.mkfifo(tmp_path / 'pipe.onnx')
    with pytest.raises(EngineError, match='there is no ONNX file'):
        summarise(tmp_path / 'pipe.onnx')


def test_field_numbers_are_those_of_onnx():
    """The reader's tables of field numbers agree with the onnx package."""
    kinds = onnx.ModelProto.DESCRIPTOR.file.message_types_by_name

    def kind(name):
        return kinds[name if name == 'TrainingInfoProto' else f'{name}Proto']

    for message, inner in INNER.items():
        fields = kind(message).fields_by_number
        assert {n: fields[n].message_type.name for n in inner} == {
            n: f'{name}Proto' for n, name in inner.items()}
        assert {fields[n].type for n in NAMES[message]} <= {fields[1].TYPE_STRING}
        # the reader must visit every message that can hold weights
        holders = {'TensorProto', 'SparseTensorProto', 'GraphProto', 'NodeProto',
                   'AttributeProto', 'FunctionProto', 'TrainingInfoProto'}
        assert {n for n, f in fields.items()
                if f.message_type and f.message_type.name in holders} <= set(inner)


def open_or_refuse(path: Path) -> str:
    """Open and inspect a damaged file. Return ``opened`` or ``refused``."""
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
    """Damage the demo network at a random place and open it, ``count`` times."""
    whole = load_card('street').model.read_bytes()
    card = write(folder, how, whole, 'street')
    rng, seen = random.Random(seed), Counter[str]()
    for _ in range(count):
        data = bytearray(whole)
        # half of the places are in the first bytes, because only these hold the graph
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
    """The test cuts at 100 random places. Some places are between two fields."""
    assert spoil(tmp_path, 'cut', 100, seed=1) == {'refused': 100}


def test_network_with_a_flipped_bit_is_refused_or_opens(tmp_path):
    """The test flips 60 random bits. Some networks open, because a weight may have any value."""
    assert spoil(tmp_path, 'flip', 60, seed=2).total() == 60


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('how', ['cut', 'flip'])
def test_spoilt_networks_by_the_thousand(tmp_path, how):
    """The soak test damages 3,000 networks in each way."""
    assert spoil(tmp_path, how, 3000, seed=3).total() == 3000


SHORTENED = """
import os, sys
from pathlib import Path
from trt_segmentation.errors import EngineError
from trt_segmentation.untrusted import onnx_file
path, how = Path(sys.argv[1]), sys.argv[2]
message = onnx_file._Walk.read_message

def change(*args):
    onnx_file._Walk.read_message = message       # only once, before the first byte is read
    if how == 'grown':
        with path.open('ab') as file:
            file.write(bytes(100))
    else:
        os.truncate(path, int(how))
    return message(*args)

onnx_file._Walk.read_message = change
try:
    print('summary', onnx_file.summarise(path))
except EngineError as error:
    print('EngineError', error)
"""


@pytest.mark.parametrize('how', ['0', '5000', '300000', 'grown'])
def test_file_that_changes_its_size_while_it_is_read_is_one_error(tmp_path, how):
    """The reader runs in another process, because SIGBUS could end it if the file is mapped."""
    path = tmp_path / 'net.onnx'
    weights = np.ones((CLASSES, 30_000, 1, 1), np.float32).tobytes()
    path.write_bytes(network(declares(CLASSES, 30_000, 1, 1, data=weights)).SerializeToString())
    done = subprocess.run([sys.executable, '-c', SHORTENED, str(path), how], text=True,
                          capture_output=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.startswith(f'EngineError {path} is not an ONNX file: it had 600,'), \
        done.stdout


WEIGHTS_CUT = """
import os, sys
from pathlib import Path
import numpy as np
from trt_segmentation.engines import onnxruntime_cpu
from trt_segmentation.engines.onnxruntime_cpu import OnnxRuntimeEngine
from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import load_card
weights, when = Path(sys.argv[2]), sys.argv[3]
give = onnxruntime_cpu.give_weights
if when == 'before':
    def cut_first(*args):
        os.truncate(weights, 5)
        return give(*args)
    onnxruntime_cpu.give_weights = cut_first
try:
    engine = OnnxRuntimeEngine(load_card(sys.argv[1]))
    if when == 'after':
        os.truncate(weights, 0)
    answer = engine.run(np.ones((1, 3, 32, 32), np.float32))
    print('answer', answer.shape, float(answer.max()))
except EngineError as error:
    print('EngineError', error)
"""


@pytest.mark.skipif(not hasattr(onnxruntime.SessionOptions,
                                'add_external_initializers_from_files_in_memory'),
                    reason='this ONNX Runtime maps files of weights itself')
@pytest.mark.parametrize('when, said', [
    ('before', 'EngineError .*w.bin has 5 bytes now, but .*net.onnx needs 48,060 bytes'),
    ('after', r'answer \(1, 5, 32, 32\) 6.0')])
def test_weights_that_are_cut_off_are_one_error_or_have_no_effect(tmp_path, when, said):
    """If the file gets shorter before it is read, there is one error. Later it has no effect.

    Every run reads the table of weights, so the process would end if the file were mapped.
    """
    def table(model):
        """Add a row of a large table to the image. The image's maximum is the row's index."""
        graph = model.graph
        graph.initializer.append(numpy_helper.from_array(
            np.ones((4000, 3, 1, 1), np.float32), 'table'))
        graph.node.insert(0, helper.make_node('ReduceMax', ['image'], ['most'], keepdims=0))
        graph.node.insert(1, helper.make_node('Cast', ['most'], ['at'], to=TensorProto.INT64))
        graph.node.insert(2, helper.make_node('Gather', ['table', 'at'], ['row'], axis=0))
        graph.node.insert(3, helper.make_node('Add', ['image', 'row'], ['sum']))
        graph.node[4].input[0] = 'sum'
    model = network(table)
    card = write(tmp_path, 'net', b'')
    onnx.save(model, tmp_path / 'net.onnx', save_as_external_data=True, location='w.bin',
              size_threshold=16)
    done = subprocess.run([sys.executable, '-c', WEIGHTS_CUT, str(card), str(tmp_path / 'w.bin'),
                           when], text=True, capture_output=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert re.match(said, done.stdout), done.stdout


@pytest.mark.parametrize('make', ['folder', 'pipe', 'device', 'empty', 'proc'])
def test_files_of_other_kinds_are_one_error_at_once(tmp_path, make):
    """A pipe would block a reader, and a device has no end."""
    path = tmp_path / 'net.onnx'
    {'folder': path.mkdir, 'pipe': lambda: os.mkfifo(path), 'empty': path.touch,
     'device': lambda: path.symlink_to('/dev/zero'),
     'proc': lambda: path.symlink_to('/proc/self/maps')}[make]()
    for read in (summarise, model_digest):
        assert told(error_of(lambda read=read: read(path)), str(path), 'ONNX file')


def test_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    """The pipe appears after the check and before the file is opened."""
    path = tmp_path / 'net.onnx'
    os.mkfifo(path)
    monkeypatch.setattr(os.path, 'isfile', lambda path: True)
    monkeypatch.setattr(Path, 'is_file', lambda path: True)
    with pytest.raises(EngineError, match=r'net\.onnx is not an ONNX file: .* not a regular file'):
        summarise(path)
