# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""README and docs quote the rounded figures of the committed benchmark runs."""

from __future__ import annotations

from functools import cache
import json
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[1]
CONDITIONS = ('day', 'night', 'rain', 'snow')
PRECISIONS = ('fp32', 'fp16', 'int8', 'mixed')
GPU, ROS, MANY = 'gpu_pipeline', 'ros_end_to_end', 'gpu_cameras'
RIVALS, DEEPLAB, ROS_RIVALS = 'gpu_pipeline_rivals', 'gpu_pipeline_deeplabv3', 'ros_rivals'
PHOTOGRAPHED = [('lraspp', 'LR-ASPP MobileNetV3-Large'), ('unet', 'UNet ResNet-34')]
NETWORKS, BATCHES = 'gpu_pipeline_networks', 'gpu_pipeline_batches'
SOAK, SOAK_GPU = 'soak', 'soak_gpu'
OFFLINE, OFFLINE_GPU = 'offline', 'offline_gpu'
H200 = 'lraspp-fp16, onnxruntime-cuda, NVIDIA H200'
CPU = 'street, onnxruntime-cpu, AMD EPYC'
REPLAYED = [('raw images, label maps', 'raw'), ('JPEG images, label maps', 'JPEG'),
            ('JPEG images, label maps and overlays', 'JPEG with overlays')]


@cache
def rows(benchmark: str) -> dict[str, float]:
    """Return a mapping from row name to value, of the committed run of a benchmark."""
    path = ROOT / 'benchmarks' / 'results' / f'{benchmark}.json'
    return {row['name']: row['value'] for row in json.loads(path.read_text())['rows']}


def conditions(benchmark: str, name: str) -> list[tuple[str, str]]:
    return [(benchmark, name.format(condition)) for condition in CONDITIONS]


def direct(where: str, way: str) -> tuple[str, str]:
    return 'transport', f'1920x1080 {where} {way} p50'


FIGURES = [
    ('docs/latency.md', 'LR-ASPP FP16 from {:.2f} to {:.2f} ms. With `cut_resize` too, the time '
     'was {:.2f} ms. For comparison, compiled PyTorch needed {:.2f} ms',
     [(RIVALS, f'lraspp-fp16: {way} p50') for way in (
         'untuned', 'ours', 'ours, cut', 'compiled, channels last')]),
    ('docs/latency.md', 'The plain node needed {:.1f} ms from the camera to the subscriber of the '
     'label map. In the same run, this package needed {:.1f} ms with direct transport and {:.1f} '
     'ms with typed transport',
     [(ROS_RIVALS, f'{way}, label map: p50') for way in ('plain node', 'direct', 'typed')]),
    ('docs/latency.md', 'An image of 640×480 pixels takes {:.1f} ms, 1280×720 pixels take {:.1f} '
     'ms, and 3840×2160 pixels take {:.1f} ms', [('transport', f'{size} two processes direct p50')
                   for size in ('640x480', '1280x720', '3840x2160')]),
    ('docs/latency.md', 'a 1080p image takes {:.1f} ms from the camera to the subscriber of the '
     'label map on Jazzy, and {:.1f} ms on Kilted. With typed transport, the image takes {:.1f} '
     'and {:.1f} ms.', [('ros_kilted', f'{name}, {way}, label map: p50')
                        for way in ('direct', 'typed') for name in ('jazzy', 'kilted')]),
    ('README.md', '| mean IoU | {:.3f} | {:.3f} | {:.3f} | {:.3f} |',
     conditions('accuracy', '{}: mean IoU, 300 scenes')),
    ('README.md', '| lane marking IoU | {:.3f} | {:.3f} | {:.3f} | {:.3f} |',
     conditions('accuracy', '{}: lane marking IoU')),
    ('README.md', '| LR-ASPP MobileNetV3-Large | {:.2f} | **{:.2f}** | {:.2f} | {:.2f} | {:.1f} | '
     '{:.0f} |', [(RIVALS, f'lraspp-fp16: {way} p50') for way in (
         'alone, cut', 'ours, cut', 'compiled, channels last', 'pytorch', 'careful', 'article')]),
    ('README.md', '| {:.0f} | **{:.0f}** | {:.0f} | | | |', [
        (RIVALS, f'lraspp-fp16: {way} streaming') for way in (
            'alone, cut', 'ours, cut', 'compiled, frozen')]),
    ('README.md', '| DeepLabV3 ResNet-50 | {:.2f} | {:.2f} | **{:.2f}** | {:.2f} | {:.1f} | |', [
        (DEEPLAB, f'deeplabv3-fp16: {way} p50') for way in (
            'alone, cut', 'ours, cut', 'compiled, frozen', 'pytorch', 'careful')]),
    ('README.md', '| {:.0f} | {:.0f} | **{:.0f}** | | | |', [
        (DEEPLAB, f'deeplabv3-fp16: {way} streaming') for way in (
            'alone, cut', 'ours, cut', 'compiled, frozen, enlarged once')]),
    ('README.md', 'With LR-ASPP, this package is {:.2f} times as fast as compiled PyTorch, and '
     'with UNet {:.2f} times',
     [(RIVALS, 'lraspp-fp16: compiled PyTorch p50 by ours'),
      (NETWORKS, 'unet-fp16: compiled PyTorch p50 by ours')]),
    ('README.md', '| UNet ResNet-18 | {:.2f} | **{:.2f}** | {:.2f} | | | |', [
        (NETWORKS, f'unet-fp16: {way} p50') for way in ('alone', 'ours', 'compiled, frozen')]),
    ('README.md', '| {:.0f} | **{:.0f}** | {:.0f} | | | |', [
        (NETWORKS, f'unet-fp16: {way} streaming') for way in (
            'alone', 'ours', 'compiled, frozen')]),
    ('README.md', '| SegFormer-B0 | {:.2f} | {:.2f} | **{:.2f}** | | | |', [
        (NETWORKS, f'segformer-fp16: {way} p50') for way in (
            'alone', 'ours', 'compiled, frozen')]),
    ('README.md', '| {:.0f} | {:.0f} | **{:.0f}** | | | |', [
        (NETWORKS, f'segformer-fp16: {way} streaming') for way in (
            'alone', 'ours', 'compiled, frozen')]),
    ('README.md', 'For a batch of four images with LR-ASPP, this package takes {:.2f} ms, and '
     'compiled PyTorch takes {:.2f} ms. With UNet, this package takes {:.2f} ms (compiled '
     'PyTorch: {:.2f}), with SegFormer {:.2f} ms ({:.2f}), and with DeepLabV3 {:.2f} ms '
     '({:.2f}).', [
         (BATCHES if name == 'lraspp' else NETWORKS, f'{name}-fp16-b4: {way} p50')
         for name in ('lraspp', 'unet', 'segformer', 'deeplabv3')
         for way in ('best of ours', 'compiled, frozen')]),
    ('docs/trust.md', 'the GPU needs {:.4f} ms more for the counts of a 1080p image. After the '
     'label map is published, the node needs another {:.2f} ms', [
         ('health_gpu', f'onnxruntime-cuda, 1080p: {what}')
         for what in ('postprocess p50 with the tally: more', 'reading the tally p50')]),
    ('docs/your_model.md', 'The largest latency of a frame was {:.1f} ms.',
     [('exchange_gpu', 'latency during: largest')]),
    *(('docs/segment.md', f'| demo model, {where} | {{:.{digits}f}} | {{:.{digits}f}} | '
       f'{{:.{digits}f}} |', [(name, f'{engine}: {what}') for what in (
           'pipeline alone', 'image folder', 'video')])
      for where, digits, name, engine in (
          ('two CPU cores', 1, 'segment', 'onnxruntime-cpu'),
          ('one H200 and 16 CPU cores', 0, 'segment_gpu', 'onnxruntime-cuda'))),
    ('docs/segment.md', 'the folder would need {:.0f} cores to keep up with the GPU, and the '
     'video {:.0f}', [('segment_gpu', f'onnxruntime-cuda: {what}, cores needed at the rate of the '
                 'pipeline alone') for what in ('image folder', 'video')]),
    ('README.md', 'Without tuning and without the cut, this package took {:.2f} ms with LR-ASPP '
     'and {:.2f} ms with DeepLabV3',
     [(RIVALS, 'lraspp-fp16: untuned p50'), (DEEPLAB, 'deeplabv3-fp16: untuned p50')]),
    ('README.md', 'The label map needs {:.2f} ms with LR-ASPP and {:.2f} ms with DeepLabV3',
     [(RIVALS, 'lraspp-fp16: label map after the network alone'),
      (DEEPLAB, 'deeplabv3-fp16: label map after the network alone')]),
    ('README.md', 'the pipeline reaches {:.0f} frames/s',
     [(RIVALS, 'lraspp-fp16: two, cut streaming')]),
    *(('README.md', f'| {way} | {{:.1f}} | {{:.1f}} | {{:.1f}} | {all_} |',
       [(ROS_RIVALS, f'{way}, label map: {part}p50') for part in (
           'camera to node, ', 'in the node, ', 'node to subscriber, ', '')])
      for way, all_ in (('direct', '**{:.1f}**'), ('typed', '{:.1f}'), ('plain node', '{:.1f}'))),
    ('README.md', 'the p99 of the latency is {:.1f} ms, without ROS. With sixteen '
     'cameras, it drops no frame, and the p99 is {:.1f} ms',
     [(MANY, '8 cameras: p99'), (MANY, '16 cameras: p99')]),
    ('docs/your_camera.md', 'Of 100 best-effort images, {:.0f} arrive without a profile, '
     'and {:.0f} arrive with',
     [('dds_profile', 'default, best_effort: arrived'),
      ('dds_profile', 'ours, best_effort: arrived')]),
    ('docs/latency.md', 'Within one process, the median is {:.1f} ms with typed transport and '
     '{:.1f} ms with direct transport. Between two processes, the median is {:.1f} ms with typed '
     'transport and {:.1f} ms with direct transport.',
     [direct('one process', 'typed'), direct('one process', 'direct'),
      direct('two processes', 'typed'), direct('two processes', 'direct')]),
    *(('docs/latency.md', f'| {part}¹ | {{:.1f}} | {{:.1f}} |',
       [(ROS, f'{way}, label map and overlay: {row}p50') for way in ('direct', 'typed')])
      for part, row in (('camera process → node → subscriber process', ''),
                        *((f'of that: {part}', f'{part}, ')
                          for part in ('camera to node', 'in the node', 'node to subscriber')))),
    *(('docs/latency.md', f'| `{stage}` | {{:.2f}} |', [(GPU, f'lraspp-fp16: stage {stage} p50')])
      for stage in ('stage', 'upload', 'preprocess', 'inference', 'postprocess', 'download')),
    ('docs/latency.md', 'It takes {:.2f} ms more if the image is not in pinned memory',
     [(GPU, 'lraspp-fp16: of it the copy into pinned memory')]),
    ('docs/latency.md', 'LR-ASPP needed {:.2f} ms instead of {:.2f} ms, and DeepLabV3 ResNet-50 '
     'needed {:.2f} ms instead of {:.2f} ms', [(GPU, f'{name}: pinned to pinned p50') for name in (
         'lraspp-fp16', 'lraspp-fp32', 'deeplabv3-fp16', 'deeplabv3-fp32')]),
    ('docs/jetson.md', 'On one H200 it takes {:.2f} ms instead of {:.2f}',
     [(GPU, 'lraspp-fp16: mapped memory, p50'), (GPU, 'lraspp-fp16: pinned to pinned p50')]),
    *(('docs/many_cameras.md', f'| {count} | {{:.2f}} | {{:.2f}} | {{:.0f}} |',
       [(MANY, f'{count} camera{"s" * (count > 1)}: {row}') for row in ('p50', 'p99', 'dropped')])
      for count in (1, 8, 16, 24)),
    *(('docs/many_cameras.md', f'| {count}, `networks: 2` | {{:.2f}} | {{:.2f}} | {{:.0f}} |',
       [(MANY, f'{count} cameras, 2 networks at once: {row}')
        for row in ('p50', 'p99', 'dropped')]) for count in (24, 32)),
    ('docs/many_cameras.md', 'streams {:.0f} frames/s instead of {:.0f}',
     [(GPU, 'lraspp-fp16: two networks at once, pipelined'), (GPU, 'lraspp-fp16: pipelined')]),
    ('docs/many_cameras.md', 'A single frame takes {:.2f} ms instead of {:.2f}',
     [(GPU, 'lraspp-fp16: two networks at once, p50 of one frame'),
      (GPU, 'lraspp-fp16: pinned to pinned p50')]),
    *(('docs/tensorrt.md', f'| {row} | {{:.4f}} | {{:.4f}} | {{:.4f}} | {{:.4f}} |',
       [('precision', f'{precision}: {row}') for precision in PRECISIONS])
      for row in ('mean IoU', 'boundary IoU', *(f'mean IoU, {name}' for name in CONDITIONS),
                  'IoU, lane marking', 'IoU, person', 'IoU, pole', 'IoU, traffic sign')),
    *(('docs/tensorrt.md', f'| {title}, {light} | {{:.3f}} | {{:.4f}} | {{:.2%}} | '
       '{:.4f} | {:.2%} |', [('photographs', f'{network}, {light}: {row}') for row in (
           'fp32 mean IoU', 'int8 mean IoU lost to fp32', 'int8 pixels as fp32',
           'mixed mean IoU lost to fp32', 'mixed pixels as fp32')])
      for network, title in PHOTOGRAPHED for light in ('day', 'dusk')),
    ('docs/tensorrt.md', 'On one H200, fp16 lost 0.0000, int8 lost {:.4f}, and mixed lost {:.4f}',
     [('precision_gpu', f'{precision} on NVIDIA H200: mean IoU lost to fp32')
      for precision in ('int8', 'mixed')]),
    ('docs/tensorrt.md', '| ONNX file | {:.2f} MB | {:.2f} MB | {:.2f} MB | {:.2f} MB |',
     [('precision', f'{precision}: ONNX file') for precision in PRECISIONS]),
    ('README.md', 'the demo model reaches a mean IoU of {:.2f} by day and {:.2f} at dusk',
     [('photographs_demo', f'demo model, 960x720, {light}: mean IoU of nine classes')
      for light in ('day', 'dusk')]),
    ('docs/models.md', 'Over nine classes, the mean IoU is {:.2f} by day and {:.2f} at dusk',
     [('photographs_demo', f'demo model, 480x360, {light}: mean IoU of nine classes')
      for light in ('day', 'dusk')]),
    ('README.md', 'its mean IoU is {:.4f} lower than in FP32 by day, and {:.4f} lower at dusk',
     [('photographs', f'lraspp, {light}: int8 mean IoU lost to fp32')
      for light in ('day', 'dusk')]),
    ('README.md', 'two 720p cameras at {:.2f} Hz', [
        (SOAK, 'images a second and camera, asked for')]),
    *(('README.md', f'| {title} | {{:.0f}} | {{:.0f}} |', [(SOAK, row), (SOAK_GPU, row)])
      for title, row in (('images that the node received', 'frames the node took'),
                         ('images that the node segmented', 'frames answered'),
                         ('images lost in the middleware', 'images lost in the middleware'))),
    ('README.md', 'newer images replaced the {:.0f} images', [(SOAK, 'dropped: superseded')]),
    ('README.md', 'they sent {:.0f} images and not 72000', [(SOAK_GPU, 'images published')]),
    ('README.md', '| memory that the node gained | {:.2f} MB | {:.2f} MB |',
     [(run, 'resident memory: rise of the line while counted') for run in (SOAK, SOAK_GPU)]),
    ('docs/many_cameras.md', 'Eight cameras together get {:.0f} label maps a second',
     [('cameras', '8 cameras: label maps')]),
    *(('docs/fleet.md', f'| {title} | {{:.0f}} |', [(OFFLINE_GPU, f'{H200}: {row}')])
      for title, row in REPLAYED),
    ('docs/fleet.md', 'The pipeline alone does {:.0f} frames/s',
     [(OFFLINE_GPU, f'{H200}: pipeline alone')]),
    ('docs/fleet.md', 'the pipeline alone does {:.1f} frames/s. The goal',
     [(OFFLINE, f'{CPU}: pipeline alone')]),
    ('docs/fleet.md', 'one worker labelled {:.0f} frames/s from JPEG images, two workers labelled '
     '{:.0f}, and four workers labelled {:.0f}',
     [('fleet_gpu', f'jpeg bags, {count} workers') for count in (1, 2, 4)]),
    ('docs/fleet.md', '| JPEG, {:.0f} TB | H.264, {:.1f} TB |',
     [('fleet_cost', 'JPEG: read'), ('fleet_cost', 'H.264: read')]),
    *(('docs/fleet.md',
       f'| {gpus} GPU{"s" * (gpus > 1)} | {{:.{digits}f}} h | {{:.{digits}f}} h |', [
           ('fleet_cost', f'JPEG, {gpus} GPUs: limited by the {limit}'),
           ('fleet_cost', f'H.264, {gpus} GPUs: limited by the CPU cores')])
      for gpus, digits, limit in ((1, 0, 'CPU cores'), (4, 0, 'CPU cores'), (16, 1, 'CPU cores'),
                                  (64, 1, 'store bandwidth'))),
]


@pytest.mark.parametrize(('page', 'template', 'sources'), FIGURES)
def test_figures(page: str, template: str, sources: list[tuple[str, str]]) -> None:
    expected = template.format(*(rows(benchmark)[name] for benchmark, name in sources))
    text = ' '.join((ROOT / page).read_text(encoding='utf-8').split())
    assert ' '.join(expected.split()) in text, f'{page} does not say {expected!r}'


def test_shares() -> None:
    """Some figures are the ratio or the difference of two rows."""
    gpu, cameras, deeplab = rows(GPU), rows('cameras'), rows(DEEPLAB)
    more = (gpu['lraspp-fp16: two networks at once, device memory']
            - gpu['lraspp-fp16: device memory'])
    many = (ROOT / 'docs' / 'many_cameras.md').read_text(encoding='utf-8')
    assert f'{more * 2**20 / 1e6:.0f} MB more' in many
    assert f"{cameras['8 cameras: served least / most']:.0%}".replace('%', ' %') in many
    ahead = 1 / deeplab['deeplabv3-fp16: compiled PyTorch p50 by ours']
    readme = ' '.join((ROOT / 'README.md').read_text(encoding='utf-8').split())
    segformer = 1 / rows(NETWORKS)['segformer-fp16: compiled PyTorch p50 by ours']
    assert (f'compiled PyTorch is {ahead:.2f} times as fast as this package, and with SegFormer '
            f'{segformer:.2f} times') in readme


def test_missed_goals() -> None:
    """docs/fleet.md says by how much ``trt_seg replay`` misses its goals."""
    page = (ROOT / 'docs' / 'fleet.md').read_text(encoding='utf-8')
    for (title, kind), goal in zip(REPLAYED, (600, 600, 300)):
        found = rows(OFFLINE_GPU)[f'{H200}: {kind}']
        missed = f'{100 * (1 - found / goal):.0f} %' if found < goal else 'met'
        assert f'| {title} | {found:.0f} | {goal} | {missed} |' in page
        share = rows(OFFLINE)[f'{CPU}: {kind} by pipeline alone']
        cores = rows(OFFLINE)[f'{CPU}: {kind}, cores needed at the rate of the pipeline alone']
        assert f'| {title} | {100 * share:.0f} % | {cores:.1f} |' in page


def test_drift() -> None:
    """The page about trust quotes shares of windows in percent."""
    page = ' '.join((ROOT / 'docs' / 'trust.md').read_text(encoding='utf-8').split())
    found, street = rows('health'), 'street, {} against day, 60 frames: {}'
    day = found[street.format('night', 'warned by day')]
    night, rain, snow = (found[street.format(name, 'warned otherwise')] for name in CONDITIONS[1:])
    by_day, dusk = (found[f'CamVid, dusk against day, 20 frames: warned {when}']
                    for when in ('by day', 'otherwise'))
    pairs = found[street.format('night', 'AUC')]
    for sentence in (
            f'in {day:.0%} of the windows by day, in {night:.0%} at night, in {rain:.0%} in rain '
            f'and in {snow:.0%} in snow', f'in {100 * pairs:.4g}% of all pairs',
            f'in {by_day:.0%} of the windows by day and in {dusk:.0%} at dusk'):
        assert sentence.replace('%', ' %') in page


def test_results_of_the_training() -> None:
    """The page about the training quotes three networks in each cell of its tables.

    The first figure of a cell is that of the network before the trainings.
    """
    page = (ROOT / 'training' / 'README.md').read_text(encoding='utf-8')
    drawn = [rows(name) for name in ('accuracy', 'accuracy_large')]
    photographs = [(rows('photographs_demo'), 'demo model'), (rows('photographs_large'), 'large')]
    names = {'mean IoU': 'mean IoU, 300 scenes', 'pixel accuracy': 'pixel accuracy',
             **{name: f'{name} IoU' for name in ('lane marking', 'person', 'pole',
                                                 'traffic sign')}}
    found = [(name, [[run[f'{light}: {row}'] for run in drawn] for light in CONDITIONS])
             for name, row in names.items()]
    names = {'mean IoU': 'mean IoU of nine classes', 'pixel accuracy': 'pixel accuracy',
             'risk': 'area under the risk-coverage curve',
             **{name: f'IoU, {name}' for name in ('sky', 'building', 'pole', 'road', 'pavement',
                                                  'tree', 'sign', 'car', 'pedestrian')}}
    found += [(name, [[run[f'{network}, 480x360, {light}: {row}'] for run, network in photographs]
                      for light in ('day', 'dusk', 'all')]) for name, row in names.items()]
    scores = [line.split('\t') for line in (ROOT / 'training' / 'photograph_scores.tsv').read_text(
        encoding='utf-8').splitlines()[1:]]
    found += [(name, [[float(line[column]) for network in ('shipped', 'large') for line in scores
                       if line[:2] == [network, light]] for light in ('day', 'dusk', 'all')])
              for column, name in enumerate(names, start=2)]
    for name, values in found:
        cells = r' \| '.join(rf'0\.\d{{3}} → {shipped:.3f} \({large:.3f}\)'
                             for shipped, large in values)
        assert re.search(rf'^\| {name} \| {cells} \|$', page, re.MULTILINE), (name, values)


def test_distillation() -> None:
    """The table of the distilled networks agrees with the log of training/distill.py."""
    log = json.loads((ROOT / 'training' / 'distill_log.json').read_text(encoding='utf-8'))
    page = (ROOT / 'docs' / 'models.md').read_text(encoding='utf-8')
    for name, title in (('teacher', 'teacher, UNet on ResNet-18'),
                        ('student', 'student, distilled'),
                        ('control', 'student, without a teacher')):
        found = log['networks'][name]
        assert (f'| {title} | {found["parameters"] / 1e6:.2f} M | {found["onnx_bytes"] / 1e6:.1f} '
                f'MB | {found["steps"]} | {found["mean_iou"]["all"]:.3f} |') in page
