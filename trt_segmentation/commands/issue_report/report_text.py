# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write the results of the self-test as a text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .step import SIZE
from .step_process import FAILED, StepResult

LOG_LINES = 40
"""The text repeats this many lines from the end of a failed step's log."""


def report_text(steps: Sequence[StepResult], when: str) -> str:
    """Return the text of the report.

    :param steps: results of the steps, without names of users, hosts and folders.
    :param when: date and time of the report.
    """
    return '\n'.join(_lines(steps, when))


def _lines(steps: Sequence[StepResult], when: str) -> Iterator[str]:
    found = {step.name: step.found for step in steps}
    failed = [step.name for step in steps if step.status == FAILED]
    yield f'trt_segmentation: self-test of {when}'
    yield (f'{len(failed)} of {len(steps)} steps FAILED: {", ".join(failed)}' if failed else
           'No step failed.')
    yield from _gpu_lines(found['machine'].get('gpu', {}))
    yield from _engines_line(steps)
    yield from _title('Steps')
    for step in steps:
        why = f': {step.why}' if step.why else ''
        yield f'{step.status:10}  {step.name}, {step.seconds:.1f} s{why}'
    yield from _title('Machine')
    yield from _flat(found['machine'])
    yield from _title('Checks')
    yield found['checks'].get('text', 'The checks failed. See the log below.')
    if 'auto' in found['checks']:
        yield f'engine auto uses {found["checks"]["auto"] or "none"}: {found["checks"]["why"]}'
    yield from _title('Labels of drawn street scenes')
    for name, part in found.items():
        if 'trial' in part:
            yield part['text']
            yield from _agreement(name, part)
    yield from _title(f'Latency of an image of {SIZE[0]}x{SIZE[1]} with overlay: median ms '
                      '(95th percentile)')
    yield from _latency({name: part['latency_ms'] for name, part in found.items()
                         if 'latency_ms' in part})
    for name, part in found.items():
        if 'drift' in part:
            yield (f'{name}: {part["images"]} images. The last third took {part["drift"]:.2f} '
                   'times as long as the first third')
    if 'text' in found['memory']:
        yield found['memory']['text']
    yield from _plan(found['tensorrt'])
    for step in steps:
        if step.status == FAILED:
            yield from _title(f'End of the log of the step {step.name}')
            yield from step.log.splitlines()[-LOG_LINES:]


def _title(text: str) -> Iterator[str]:
    yield from ('', text, '-' * len(text))


def _gpu_lines(found: Mapping[str, Any]) -> Iterator[str]:
    for index, gpu in enumerate(found.get('gpus', ())):
        yield (f'GPU {index}: {gpu["name"]}, compute capability '
               f'{".".join(map(str, gpu["capability"]))}, driver {found["version"]}, CUDA up to '
               f'{".".join(map(str, found["cuda"]))}')


def _engines_line(steps: Sequence[StepResult]) -> Iterator[str]:
    ran = [step.name for step in steps if 'latency_ms' in step.found]
    yield f'Engines that ran: {", ".join(ran) or "none"}.' + (
        ' No GPU engine ran, so this report is about the CPU only.'
        if ran == ['onnxruntime-cpu'] else '')


def _flat(tree: Mapping[str, Any], prefix: str = '') -> Iterator[str]:
    for name, value in tree.items():
        key = f'{prefix}{name}'
        if isinstance(value, Mapping):
            yield from _flat(value, f'{key}.')
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                yield from _flat(item, f'{key}.{index}.')
        elif value not in ('', None, []):
            text = ', '.join(map(str, value)) if isinstance(value, list) else str(value)
            yield f'{key}: ' + text.replace('\n', f'\n{" " * (len(key) + 2)}')


def _agreement(name: str, part: Mapping[str, Any]) -> Iterator[str]:
    by_condition = part.get('accuracy', {}).get(name, {})
    rows = [f'{condition} {scores["agreement"]:.3%}, mean IoU {scores["mean_iou"]:.4f}'
            for condition, scores in by_condition.items() if condition]
    if rows:
        yield f'  pixels with the same label as on the CPU: {"; ".join(rows)}'


def _latency(engines: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    if not engines:
        yield 'No engine ran to the end.'
        return
    stages = list(dict.fromkeys(stage for table in engines.values() for stage in table))
    stages = [*(stage for stage in stages if stage != 'total'), 'total']
    yield f'{"stage":20}' + ''.join(f'{name:>22}' for name in engines)
    for stage in stages:
        cells = [f'{table[stage]["p50"]:.2f} ({table[stage]["p95"]:.2f})' if stage in table
                 else '–' for table in engines.values()]
        yield f'{stage:20}' + ''.join(f'{cell:>22}' for cell in cells)


def _plan(found: Mapping[str, Any]) -> Iterator[str]:
    if 'plan_text' in found:
        yield from _title('TensorRT plan, in short; plan.txt has every layer')
        head = found['plan_text'].split('\nprecision ')[0]
        yield from head.splitlines()
