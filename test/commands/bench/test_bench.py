# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg bench``: its figures, its files, its page, and the comparison of two runs."""

import copy
from html import escape
from html.parser import HTMLParser
from io import StringIO
import itertools
import json
import math
import os
import re
from types import SimpleNamespace

from networks import color_classifier
import numpy as np
import pytest
from rich.console import Console
import yaml

from trt_segmentation.commands.bench import run as bench
from trt_segmentation.commands.bench.cameras import serve_cameras
from trt_segmentation.commands.bench.compare import (
    cautions,
    compare_table,
    differences,
    FigureChange,
)
from trt_segmentation.commands.bench.measure import (
    camera_frames,
    measure_throughput,
    memory_mib,
    OUTSIDE,
)
from trt_segmentation.commands.bench.options import BenchOptions
from trt_segmentation.commands.bench.page import write_page
from trt_segmentation.commands.bench.plots import latency_plot, memory_plot, shares_of
from trt_segmentation.commands.bench.report import FigureReport
from trt_segmentation.commands.bench.run import run_bench
from trt_segmentation.commands.bench.schema import FORMAT, number, read_run
from trt_segmentation.commands.cli import main
from trt_segmentation.errors import BenchError, EngineError, FrameError
from trt_segmentation.frame import Segmentation, Wanted

PALETTE = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    color_classifier(folder / 'net.onnx', PALETTE)
    (folder / 'net.yaml').write_text('model: net.onnx\nname: </script><b>\n'
                                     'classes: [black, red]\n')
    return folder / 'net.yaml'


@pytest.fixture(scope='module')
def out(card, tmp_path_factory):
    out = tmp_path_factory.mktemp('bench') / 'out'
    (out.parent / 'kept').mkdir()
    assert main(['bench', '--model', str(card), '--engine', 'onnxruntime-cpu', '--size', '70x50',
                 '--encoding', 'rgb8', '--cameras', '2,1', '--seconds', '0.2', '--fps', '50',
                 '--out', str(out), '--json', str(out.parent / 'kept' / 'run.json')]) == 0
    return out


@pytest.fixture
def run(out):
    """Return a copy of the run that bench wrote. A test may change the copy."""
    return json.loads((out / 'bench.json').read_text())


# ---- what is written

def test_the_file_has_the_form_of_all_benchmarks_and_what_the_page_needs(out, run):
    assert read_run(out / 'bench.json') == run
    assert json.loads((out.parent / 'kept' / 'run.json').read_text()) == run
    for row in run['rows']:
        assert set(row) == {'name', 'value', 'unit', 'bar', 'holds'}
        assert (row['bar'], row['holds']) == ('', None)
    assert set(run['versions']) >= {'python', 'numpy', 'onnxruntime'}
    assert run['setting']['size'] == '70x50' and run['setting']['encoding'] == 'rgb8'
    assert run['setting']['engine'] == 'onnxruntime-cpu'


def test_each_figure_has_one_row_in_a_fixed_order(run):
    cameras = [f'{name}: {what}' for name in ('1 camera', '2 cameras')
               for what in ('p50', 'p99', 'answered', 'dropped')]
    assert [row['name'] for row in run['rows']] == [
        'opening the model', 'latency p50', 'latency p95', 'latency p99', 'preprocess p50',
        'inference p50', 'postprocess p50', f'{OUTSIDE} p50',
        'last third of the frames / first third', 'throughput', *cameras, 'memory, this process']
    found = {row['name']: row['value'] for row in run['rows']}
    assert 0 < found['latency p50'] <= found['latency p95'] <= found['latency p99']
    assert found['throughput'] > 0


def test_every_frame_of_a_camera_is_accounted_for(run):
    assert [found['cameras'] for found in run['cameras']] == [1, 2]
    for found in run['cameras']:
        # a frame that waits at the end is neither answered nor dropped, so bench does not offer it
        assert 9 * found['cameras'] <= found['offered'] <= 10 * found['cameras']
        assert found['offered'] == found['answered'] + found['dropped']
        assert found['answered'] > 0


def test_samples_and_stages_are_bounded_and_belong_together(run):
    assert 20 <= len(run['latency_ms']) <= bench.SAMPLES
    assert min(run['latency_ms']) > 0
    assert list(run['stages_ms']) == ['preprocess', 'inference', 'postprocess', OUTSIDE]
    assert list(run['memory_mib']) == [
        'model open', 'latency', 'throughput', '1 camera', '2 cameras']


def test_thinned_samples_keep_the_ends():
    values = list(np.arange(10_000.0))
    kept = bench._thin_out(values)
    assert (len(kept), kept[0], kept[-1]) == (bench.SAMPLES, 0.0, 9999.0)
    assert bench._thin_out([1.0, 2.0]) == [1.0, 2.0]


# ---- the page

class Page(HTMLParser):
    """Collects the tags of a page, the URLs that they load, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.tags, self.ids, self.code = [], [], [], {'script': [], 'style': []}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [(tag, name) for name, _ in attrs
                       if name in ('src', 'href', 'srcset', 'data', 'action', 'poster')]
        self.ids += [value for name, value in attrs if name == 'id']

    def handle_data(self, data):
        if self.lasttag in self.code:
            self.code[self.lasttag].append(data)


def plots(page):
    (text,) = [code for code in page.code['script'] if code.strip().startswith('const plots')]
    (found,) = re.findall(r'^\s*const plots = (.*);\n', text)
    return json.loads(found)


@pytest.mark.parametrize('compared', [False, True])
def test_the_page_loads_nothing_and_draws_every_plot(run, tmp_path, compared):
    path = tmp_path / 'bench.html'
    write_page(run, path, copy.deepcopy(run) if compared else None)
    page = Page(path.read_text(encoding='utf-8'))
    assert page.loads == [] and 'link' not in page.tags and 'iframe' not in page.tags
    assert not re.search(r'@import|url\(', ''.join(page.code['style']))
    drawn = plots(page)
    assert set(drawn) == {'latency', 'stages', 'memory', 'rate', 'delay'} == set(page.ids)
    histogram, *others = drawn['latency']['data']
    assert sum(histogram['y']) == pytest.approx(100)
    # three marks of this run; then the other run, and its three marks
    assert len(others) == (7 if compared else 3)
    assert [bar['type'] for bar in drawn['stages']['data']] == ['bar'] * (2 if compared else 1)
    offered, *answered = drawn['rate']['data']
    assert offered['x'] == [1, 2] and offered['y'] == [50, 100]
    assert [curve['y'] for curve in answered] == [
        [found['frames_per_s'] for found in run['cameras']]] * (2 if compared else 1)
    assert len(drawn['delay']['data']) == (4 if compared else 2)
    # without plotly's script the page may show a table, but no plot
    assert any('plotly.js v' in code[:400] for code in page.code['script'])


def test_memory_is_drawn_in_the_order_of_cameras_of_both_runs():
    here, other = ({'memory_mib': {phase: {'this process': 1.0} for phase in phases}}
                   for phases in (['model open', 'latency', '1 camera', '16 cameras'],
                                  ['model open', 'latency', '2 cameras', '16 cameras']))
    axis = memory_plot(here, other).layout.xaxis
    assert axis.categoryorder == 'array'
    assert list(axis.categoryarray) == ['model open', 'latency', '1 camera', '2 cameras',
                                        '16 cameras']


def test_names_of_users_are_text_in_the_page(run, out):
    text = (out / 'bench.html').read_text(encoding='utf-8')
    assert '&lt;/script&gt;&lt;b&gt;' in text
    assert text.count('</script>') == 2


HOSTILE = ['</script><script>alert(1)</script>', '<!--<script>', '<img src=x onerror=alert(1)>',
           '</title></style><b>', '<a href="https://example.com">link</a>', ']]>', '"\'&lt;']


def hostile(run):
    """Put hostile text into every text field of the run, and return the run."""
    odd = itertools.cycle(HOSTILE)
    for key in ('when', 'machine', 'commit'):
        run[key] = next(odd) + key
    for tree in (run['setting'], run['versions']):
        # bench writes fps itself, and as a number
        tree.update({key: next(odd) + str(value) for key, value in tree.items() if key != 'fps'})
        tree.update({word + 'key': word for word in HOSTILE})
    run['cautions'] = list(HOSTILE)
    run['rows'] += [{'name': word, 'value': 1.0, 'unit': word, 'bar': '', 'holds': None}
                    for word in HOSTILE]
    run['stages_ms'] = {word: 1.0 for word in HOSTILE}
    run['memory_mib'] = {phase: {kind: 5.0 for kind in HOSTILE} for phase in HOSTILE}
    return run


@pytest.mark.parametrize('compared', [False, True])
def test_the_page_has_only_our_scripts_whatever_the_names(run, tmp_path, compared):
    """A run with HTML in its names gives a page with the same tags as a plain run."""
    plain, path = copy.deepcopy(run), tmp_path / 'bench.html'
    for key in ('setting', 'versions'):
        plain[key].update({f'key {n}': 'x' for n in range(len(HOSTILE))})
    plain['cautions'] = ['x'] * len(HOSTILE)
    plain['rows'] += [{'name': f'row {n}', 'value': 1.0, 'unit': '', 'bar': '', 'holds': None}
                      for n in range(len(HOSTILE))]
    pages = []
    for found in (plain, hostile(run)):
        write_page(found, path, copy.deepcopy(found) if compared else None)
        pages.append(path.read_text(encoding='utf-8'))
    expected, page = map(Page, pages)
    assert page.tags == expected.tags and page.tags.count('script') == 2
    assert page.loads == [] and page.ids == expected.ids
    assert pages[1].count('</script>') == 2
    (line,) = [line for line in pages[1].splitlines() if line.startswith('const plots')]
    assert '<' not in line
    drawn = plots(page)
    # plotly would turn a tag in a text into a link
    assert not re.search('<(a|img|script|!--)', json.dumps(drawn))
    assert drawn['stages']['data'][0]['y'] == [escape(word) for word in HOSTILE]


def test_a_hostile_name_of_a_card_is_text_in_the_page(card, tmp_path):
    path = card.with_name('hostile.yaml')
    path.write_text(yaml.safe_dump({'model': 'net.onnx', 'name': ''.join(HOSTILE) + '[/bold]',
                                    'classes': ['[/red]', '</script>']}))
    assert main(['bench', '--model', str(path), '--engine', 'onnxruntime-cpu', '--size', '64x48',
                 '--cameras', '1', '--seconds', '0.1', '--out', str(tmp_path)]) == 0
    page = Page((tmp_path / 'bench.html').read_text(encoding='utf-8'))
    assert page.tags.count('script') == 2 and page.loads == [] and 'img' not in page.tags


def test_stages_of_the_waterfall_follow_each_other(run, tmp_path):
    run['stages_ms'] = {'preprocess': 1.0, 'inference': 4.0, 'postprocess': 2.0, OUTSIDE: 0.5}
    write_page(run, tmp_path / 'p.html')
    (bars,) = plots(Page((tmp_path / 'p.html').read_text(encoding='utf-8')))['stages']['data']
    assert bars['base'] == [0.0, 1.0, 5.0, 7.0]
    assert bars['x'] == [1.0, 4.0, 2.0, 0.5]


@pytest.mark.parametrize('stages', [
    {'a': 1.0, 'b': 1.0, 'c': 1.0}, {'a': 2.6, 'b': 0.05}, {'a': 0.0}, {'a': 1.0, 'b': 2.0}])
def test_shares_of_stages_add_up(stages):
    shares = shares_of(stages)
    assert list(shares) == list(stages)
    assert sum(shares.values()) == (100 if sum(stages.values()) else 0)
    assert all(abs(shares[name] - 100 * ms / (sum(stages.values()) or 1)) < 1
               for name, ms in stages.items())


def test_the_page_says_how_many_frames_were_measured(run, tmp_path):
    write_page(run, tmp_path / 'p.html')
    assert f'{len(run["latency_ms"])} frames, one frame at a time' in (
        tmp_path / 'p.html').read_text(encoding='utf-8')


@pytest.mark.parametrize('value, text', [
    (0.07182, '0.0718'), (1.0, '1.00'), (46.013, '46.0'), (206.2, '206'), (12345.6, '12346')])
def test_figures_are_never_in_powers_of_ten(value, text):
    assert number(value) == text


# ---- two runs

def test_a_run_against_itself_differs_in_nothing(run):
    run['cautions'] = []
    found = differences(run, run)
    assert len(found) == len(run['rows'])
    assert {(d.ratio, d.word) for d in found} == {(1.0, 'same')}
    assert cautions(run, copy.deepcopy(run)) == []


@pytest.mark.parametrize('unit, here, other, ratio, word', [
    ('ms', 10.0, 20.0, 0.5, 'better'), ('ms', 20.0, 10.0, 2.0, 'worse'),
    ('frames/s', 20.0, 10.0, 2.0, 'better'), ('frames/s', 10.0, 20.0, 0.5, 'worse'),
    ('ms', 10.2, 10.0, 1.02, 'same'), ('%', 3.0, 0.0, None, 'worse'),
    ('%', 0.0, 0.0, 1.0, 'same')])
def test_better_is_less_time_and_more_frames(unit, here, other, ratio, word):
    found = FigureChange('x', unit, here, other)
    assert found.ratio == (None if ratio is None else pytest.approx(ratio))
    assert found.word == word


def test_other_differences_of_two_runs_are_reported(run):
    other = copy.deepcopy(run)
    other['machine'], other['versions']['numpy'] = 'abacus', '0.1'
    other['setting']['size'] = '1x1'
    other['rows'] = [row for row in other['rows'] if row['name'] != 'inference p50']
    text = ' '.join(cautions(run, other))
    assert 'the machine of the other run is abacus' in text
    assert 'numpy' in text and '(other run: 0.1)' in text
    assert 'size 70x50 (other run: 1x1)' in text
    assert '1 values are in one run only: inference p50.' in text
    console = Console(record=True, width=120, file=StringIO())
    console.print(compare_table(run, other))
    table = console.export_text()
    assert 'latency p50' in table and 'inference p50' not in table


@pytest.mark.parametrize('change, message', [
    (lambda run: [], 'its "format" is None'),
    (lambda run: {**run, 'format': 'bench 0'}, f"'bench 0', but should be {FORMAT!r}"),
    (lambda run: {k: v for k, v in run.items() if k != 'rows'}, '"rows" should be a list'),
    (lambda run: {**run, 'rows': run['rows'][2:]}, "no row 'latency p50'"),
    (lambda run: {**run, 'rows': [*run['rows'], {'name': 'x'}]}, 'name, value and unit'),
    (lambda run: {**run, 'rows': [*run['rows'], {'name': 'x', 'value': '1', 'unit': ''}]}, '"1"'),
    (lambda run: {**run, 'latency_ms': []}, 'at least one'),
    (lambda run: {**run, 'latency_ms': [None]}, '"latency_ms" should hold at least one'),
    (lambda run: {**run, 'stages_ms': {'inference': 'long'}}, 'a number for each stage'),
    (lambda run: {**run, 'cameras': [{'cameras': 1}]}, '"cameras" should hold'),
    (lambda run: {**run, 'memory_mib': {'latency': 3}}, "numbers for 'latency'"),
    (lambda run: {**run, 'latency_ms': [math.nan]}, '"latency_ms" should hold at least one'),
    (lambda run: {**run, 'latency_ms': [math.inf]}, '"latency_ms" should hold at least one'),
    (lambda run: {**run, 'latency_ms': [-1.0]}, '"latency_ms" should hold at least one'),
    (lambda run: {**run, 'latency_ms': [10**400]}, '"latency_ms" should hold at least one'),
    (lambda run: {**run, 'cautions': [7]}, '"cautions" should hold texts'),
    (lambda run: {**run, 'machine': 'a\x1b[2J'}, r"text 'a\x1b[2J' has the character U+001B"),
    (lambda run: {**run, 'versions': {'\ud800': '1'}}, r"text '\ud800' has the character U+D800"),
    (lambda run: {**run, 'setting': {'size': ['a\n[FATAL]']}}, 'has the character U+000A')])
def test_files_that_cannot_be_compared_are_refused_before_measuring(
        run, tmp_path, change, message, monkeypatch, capsys):
    path = tmp_path / 'other.json'
    path.write_text(json.dumps(change(run)))
    monkeypatch.setattr(bench, 'open_pipeline', lambda *a, **k: pytest.fail('measured'))
    out = tmp_path / 'out'
    assert main(['bench', '--compare', str(path), '--out', str(out)]) == 2
    text = capsys.readouterr().err
    assert text.startswith(f'trt_seg: error: {path} is ')
    assert message in text and text.count('\n') == 1
    assert not out.exists()


def test_another_benchmarks_file_no_file_and_no_json(tmp_path, capsys):
    (tmp_path / 'text').write_text('{')
    report = tmp_path / 'report.json'
    report.write_text(json.dumps(FigureReport('x').tree()))
    (tmp_path / 'deep').write_text('[' * 100_000)
    (tmp_path / 'latin').write_bytes(b'{"machine": "\xe9"}')
    os.mkfifo(tmp_path / 'pipe')
    for name, message in (('text', 'is not JSON'), ('nothing', 'No such file'),
                          ('deep', 'is not JSON: RecursionError'), ('latin', 'is not JSON'),
                          ('pipe', 'pipe is not a regular file'),
                          ('report.json', 'is not a bench.json of this version')):
        assert main(['bench', '--compare', str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err


def test_the_other_run_of_a_comparison_is_never_replaced(out, monkeypatch):
    before = (out / 'bench.json').read_bytes()
    monkeypatch.setattr(bench, 'open_pipeline', lambda *a, **k: pytest.fail('measured'))
    for order in (BenchOptions(out=out, compare=out / 'bench.json'),
                  BenchOptions(out=out / 'x', json=out / 'bench.json',
                               compare=out / 'bench.json')):
        with pytest.raises(BenchError, match='would replace'):
            run_bench(order)
    assert (out / 'bench.json').read_bytes() == before


def test_a_comparison_end_to_end(card, out, tmp_path, capsys):
    assert main(['bench', '--model', str(card), '--engine', 'onnxruntime-cpu', '--size', '64x48',
                 '--cameras', '1', '--seconds', '0.1', '--out', str(tmp_path), '--compare',
                 str(out / 'bench.json')]) == 0
    text = capsys.readouterr().out
    assert 'here/other' in text and 'size 64x48 (other run: 70x50)' in text
    assert 'here / other' in (tmp_path / 'bench.html').read_text(encoding='utf-8')


# ---- frames and threads

@pytest.mark.parametrize('encoding, size', [
    ('bgr8', 50 * 210), ('mono8', 50 * 70), ('nv12', 75 * 70), ('rgba16', 50 * 560)])
def test_frames_lie_in_the_memory_of_the_pipeline(encoding, size):
    given = []

    def allocate(nbytes):
        given.append(np.zeros(nbytes, np.uint8))
        return SimpleNamespace(view=given[-1])

    frames = camera_frames(6, 70, 50, encoding, allocate)
    assert [(f.encoding, f.width, f.height, f.size) for f in frames] == [
        (encoding, 70, 50, size)] * 6
    assert all(np.shares_memory(f.data, memory) for f, memory in zip(frames, given))
    assert not np.array_equal(frames[0].data, frames[1].data)
    assert np.array_equal(frames[0].data, camera_frames(1, 70, 50, encoding, None)[0].data)


@pytest.mark.parametrize('width, height, encoding, message', [
    (70, 50, 'bgr', "Did the camera mean 'bgr8'"), (71, 50, 'nv12', 'width must be even'),
    (20000, 50, 'bgr8', '1 to 16384'), (0, 50, 'bgr8', '0x50')])
def test_an_impossible_camera_is_refused(width, height, encoding, message):
    with pytest.raises(FrameError, match=message):
        camera_frames(1, width, height, encoding, None)


class Answer(Segmentation):
    released = 0

    def release(self):
        Answer.released += 1


class Pipeline:
    """Computes nothing. It records the batch sizes and the largest number of pending batches."""

    def __init__(self, depth, batch, fail_at=math.inf, fail_in='collect'):
        self.depth, self.batch = depth, batch
        self.sizes, self.most, self._pending = [], 0, []
        self._fail_at, self._fail_in = fail_at, fail_in
        Answer.released = 0

    def submit(self, frames, wanted):
        self._fail('submit')
        self._pending.append(frames)
        self.sizes.append(len(frames))
        self.most = max(self.most, len(self._pending))

    def collect(self):
        self._fail('collect')
        return [Answer(frame, None) for frame in self._pending.pop(0)]

    def _fail(self, where):
        if where == self._fail_in and len(self.sizes) >= self._fail_at:
            raise EngineError('it broke')


@pytest.mark.parametrize('depth, batch', [(1, 1), (3, 1), (2, 4)])
def test_cameras_are_served_in_batches_and_within_the_depth(depth, batch):
    pipeline = Pipeline(depth, batch)
    frames = camera_frames(4, 64, 48, 'bgr8', None)
    served = serve_cameras(pipeline, frames, Wanted(), seconds=0.2, fps=100)
    assert served.cameras == 4
    assert 76 <= served.offered <= 80
    assert served.offered == served.segmented + served.dropped
    assert served.segmented == sum(pipeline.sizes) == Answer.released
    assert max(pipeline.sizes) <= batch
    assert pipeline.most <= depth
    assert min(served.latency_ms) >= 0 and served.seconds >= 0.2


@pytest.mark.parametrize('where', ['submit', 'collect'])
@pytest.mark.parametrize('fail_at', [1, 3])
def test_an_engine_that_fails_ends_the_cameras_with_its_error(where, fail_at):
    pipeline = Pipeline(2, 1, fail_at, where)
    with pytest.raises(EngineError, match='it broke'):
        serve_cameras(pipeline, camera_frames(2, 64, 48, 'bgr8', None), Wanted(), 30.0, 100)


@pytest.mark.parametrize('depth, batch', [(1, 1), (3, 2)])
def test_throughput_keeps_the_pipeline_full_and_gives_everything_back(depth, batch):
    pipeline, ticks = Pipeline(depth, batch), []
    frames = camera_frames(2, 64, 48, 'bgr8', None)
    assert measure_throughput(pipeline, frames, Wanted(), 0.05, ticks.append) > 0
    assert pipeline.most == depth and set(pipeline.sizes) == {batch}
    assert pipeline._pending == [] and Answer.released == sum(pipeline.sizes)
    assert ticks == [pytest.approx(0.05)]


def test_gpu_memory_is_reported_by_pipeline_and_driver():
    gpu = SimpleNamespace(used_bytes=3 << 30, device_bytes=1 << 20, pinned_bytes=2 << 20)
    found = memory_mib(SimpleNamespace(memory=gpu))
    assert found.pop('this process') > 10
    assert found == {'GPU, every process': 3072.0, 'GPU, ours beside the network': 1.0,
                     'pinned on the host': 2.0}
    assert set(memory_mib(SimpleNamespace())) == {'this process'}


# ---- the command

def test_options_reach_the_bench(monkeypatch):
    seen = []
    monkeypatch.setattr(bench, 'run_bench', lambda options: seen.append(options) or 0)
    assert main(['bench']) == 0
    assert main(['bench', '--quick']) == 0
    assert main(['bench', '--quick', '--seconds', '3', '--cameras', '2,1,2', '--no-overlay',
                 '--size', '640x480', '--encoding', 'mono8', '--fps', '15', '--gpu', '1',
                 '--precision', 'fp16', '--networks', '2', '--max-batch', '4', '--engine',
                 'tensorrt', '--model', 'm', '--no-tune', '--out', 'o', '--json', 'j',
                 '--compare', 'c']) == 0
    default, quick, own = seen
    assert default == BenchOptions() and quick == BenchOptions(quick=True)
    assert [(found.camera_counts, found.measured_seconds) for found in seen] == [
        ((1, 2, 4, 8), 10.0), ((1, 4), 1.0), ((1, 2), 3.0)]
    assert own == BenchOptions('m', 'tensorrt', 1, 'fp16', 2, 4, (640, 480), 'mono8', (1, 2),
                               3.0, True, 15.0, False, own.out, own.json, own.compare, tune=False)
    assert [str(path) for path in (own.out, own.json, own.compare)] == ['o', 'j', 'c']


@pytest.mark.parametrize('args, message', [
    (['--size', '1920'], "'1920' is not a size such as 1920x1080"),
    (['--cameras', '1,0'], '0 is not an integer from 1 to 999999999'),
    (['--cameras', 'all'], '--cameras'),
    (['--seconds', '0'], '0 is not a number above 0'), (['--fps', 'nan'], 'nan is not')])
def test_wrong_arguments(args, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(['bench', *args])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_wrong_camera_is_said_before_the_model_is_opened(card, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, 'open_pipeline', lambda *a, **k: pytest.fail('opened'))
    assert main(['bench', '--model', str(card), '--encoding', 'bgr', '--out',
                 str(tmp_path / 'out')]) == 2
    text = capsys.readouterr().err
    assert text.startswith("trt_seg: error: unknown encoding 'bgr'") and text.count('\n') == 1


def test_a_busy_or_throttled_machine_gives_a_caution():
    assert bench._cautions(0.0, 1.0, {'latency': 100}) == []
    busy, slower = bench._cautions(2.0, 1.5, {})
    assert '2.0 processes per core' in busy and '1.50 times as long' in slower


@pytest.mark.parametrize('frames', [99, 100])
def test_a_p99_needs_100_frames(run, tmp_path, frames):
    run['latency_ms'] = [float(ms) for ms in range(1, frames + 1)]
    for camera in run['cameras']:
        camera['answered'] = frames
    write_page(run, tmp_path / 'bench.html')
    page = (tmp_path / 'bench.html').read_text()
    assert page.count('99 frames are too few frames for p99') == (3 if frames < 100 else 0)
    assert ('<span>too few frames for p99: 99</span>' in page) == (frames < 100)
    assert page.count('99 of 100 frames') == (0 if frames < 100 else 3)
    labels = [note.text.partition(' ')[0] for note in latency_plot(run, None).layout.annotations]
    assert labels == ['p50', 'p95', 'p99'][:2 if frames < 100 else 3]
    assert bench._cautions(0.0, 1.0, {'latency': frames, '1 camera': 100}) == [
        'Too few frames for p99: latency (99). At least 100 frames are needed. Give more '
        '--seconds.'][:100 - frames]
