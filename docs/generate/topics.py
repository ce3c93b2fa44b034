# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/topics.md from a node that runs: python docs/generate/topics.py > docs/topics.md

Topics, types, QoS and services are asked of the node, diagnostics of the function that makes
them. Only the words beside them are written here: a name without words, or words without a name,
ends it with an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import os
import random
import sys
from typing import Any

from cli import table

PERCENTILES = {'p50': 1.0, 'p95': 2.0, 'p99': 3.0}
CAMERA = 'camera NAME'
EVERY_NODE = ('/parameter_events', '/rosout', '/clock')

TOPICS = {
    '/image': 'in; `<image>/compressed` with `image_transport: compressed`',
    '/camera_info': 'in, optional; taken from beside the image unless remapped',
    '~/label_map': "class ids at the camera's size, header copied; mono8, mono16 above 255 "
                   'classes; 255 (65535) where the network saw nothing',
    '~/overlay': 'bgr8, the image with the class colours on it; computed only while somebody '
                 'subscribes',
    '~/confidence': 'mono8, 0 to 255 for 0 to 1; with `confidence: true` and a subscriber',
    '~/camera_info': "the newest `camera_info`, with the image's header",
    '~/label_info': 'class names by id, once; where vision_msgs is installed',
    '~/transition_event': 'of every lifecycle node',
    '/diagnostics': 'once every `diagnostics_period`; see below',
}
SERVICES = {
    '~/change_state': 'configure, activate, deactivate, cleanup, shutdown',
    '~/get_state': 'the lifecycle state',
    '~/get_available_states': 'of every lifecycle node',
    '~/get_available_transitions': 'of every lifecycle node',
    '~/get_transition_graph': 'of every lifecycle node',
}
KEYS = {
    'pipeline': {
        'state': 'lifecycle state',
        'cameras': 'how many',
        'transport': 'direct or typed',
        'transport_reason': 'why that one',
        'executor_errors': 'exceptions of callbacks that the node survived, since the start; each '
                           'is a bug',
        'executor_error': 'the newest of them',
        'clock_messages_ignored': 'messages of `/clock` that hold no time, since the start',
        'frames_in': 'images delivered since the start',
        'frames_out': 'label maps published',
        'frames_dropped': 'images that got none; `frames_in` is always `frames_out` + '
                          '`frames_dropped` + those at work',
        'fps_in': 'images a second, of the last 10 s',
        'fps_out': 'label maps a second, of the last 10 s',
        'frames_lost': 'images that the middleware lost on the way, not in `frames_in`; `unknown` '
                       'and why if it does not report them',
        'frames_skipped': "images that never came, by the camera's own numbers: those lost, and "
                          'those that a newer one replaced before the node took them',
    },
    'engine': {
        'model': 'name in the model card',
        'engine': 'tensorrt, onnxruntime-cuda or onnxruntime-cpu',
        'version': 'of its library',
        'precision': 'fp32, fp16, int8 or mixed',
        'device': 'name of the GPU or CPU',
        'reason': 'why this engine was taken',
        'cache': '`hit` or `built`; of TensorRT',
    },
    CAMERA: {
        'image_topic': 'full name of what is subscribed to',
        'image_publishers': 'how many publish it',
        'camera_info_bad': '`camera_info` messages that could not be read; log and diagnostics '
                           'say why',
        'camera_info_lost': 'those that the middleware lost on the way',
        'age': 'why there is no age, where stamps and clock share no time base',
    },
}
REASONS = {
    'superseded': 'a newer image of the camera came while this one waited: the network is slower '
                  'than the camera',
    'bad frame': 'header and bytes cannot be an image; log and diagnostics say which number',
    'engine error': 'the engine failed on it; log and diagnostics say how',
    'engine down': 'the engine failed over and over and is being opened again',
    'internal error': 'a bug; the log has the traceback',
    'deactivated': 'it waited when the node was deactivated',
    'no free buffer': 'direct transport: every buffer held an image at work',
    'take error': 'direct transport: the middleware could not hand it over',
}
STAGES = {
    'wait': 'from taking the image until a worker fetched it',
    'decode': 'reading the header; JPEG and PNG are decoded here',
    'stage': 'GPU: copy into pinned memory, where the image is not there already',
    'upload': 'GPU: pinned memory to the GPU',
    'preprocess': 'colour order, resize, normalise',
    'inference': 'the network, of the whole batch',
    'postprocess': 'enlarge, argmax; overlay and confidence where wanted',
    'download': 'GPU: answers to pinned memory',
    'publish': 'until the middleware has them',
    'total': 'from taking the image until its label map is published',
    'age': "from the image's stamp until its label map is published",
}


def same(what: str, found: Iterable[str], described: Iterable[str]) -> None:
    """Exit unless exactly what there is has words beside it."""
    found, described = set(found), set(described)
    if found != described:
        sys.exit(f'docs/reference.py: {what}: without words {sorted(found - described)}, '
                 f'words for nothing {sorted(described - found)}')


def topics_text() -> str:
    """docs/topics.md."""
    return '\n'.join([
        '# Topics, services, diagnostics', '', 'Written by `docs/generate/topics.py` from a '
        "node that runs. `~` is the node's name,", '`/trt_segmentation` unless renamed. With '
        '`cameras: [front]` each camera has `front/image`,', '`front/camera_info` and '
        '`front/segmentation/label_map` and so on in place of `image` and `~/`.', '',
        *_endpoints(), '## Diagnostics', '',
        '`/diagnostics` carries one status each for `trt_segmentation: pipeline`, '
        '`trt_segmentation: engine`', 'and `trt_segmentation: camera NAME` (`camera` alone where '
        'it has no name). `hardware_id` is the', 'device. WARN and ERROR come with what is wrong '
        'in `message`; the thresholds are', '[parameters](parameters.md).', '', *_diagnostics()])


def _endpoints() -> list[str]:
    """Start a node and look at it."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    import rclpy
    from rclpy.parameter import Parameter

    from trt_segmentation.ros import publishers
    from trt_segmentation.ros.node import SegmentationNode
    from trt_segmentation.ros.transport.qos import LATCHED
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=random.randint(1, 100))
    node = SegmentationNode(context=context, parameter_overrides=[
        Parameter('engine', value='onnxruntime-cpu')])
    try:
        if not node.start():
            sys.exit('docs/generate/topics.py: the node does not start; its log says why')
        rows = [*_topics(node, 'in'), *_topics(node, 'out')]
        services = {_short(node, name): _kind(kinds) for name, kinds in
                    node.get_service_names_and_types_by_node(node.get_name(), '/')
                    if kinds[0].startswith('lifecycle_msgs/')}
    finally:
        node.stop()
        node.destroy_node()
        rclpy.shutdown(context=context)
    if publishers.LabelInfo is None:  # what it would be where vision_msgs is installed
        rows.append(('~/label_info', 'out', 'vision_msgs/LabelInfo', _qos(LATCHED)))
    same('topics', [row[0] for row in rows], TOPICS)
    same('services', services, SERVICES)
    order = list(TOPICS)
    rows.sort(key=lambda row: order.index(row[0]))
    return [
        '## Topics', '',
        *table(('topic', 'type', 'QoS', ''),
               [(f'`{name.lstrip("/") if way == "in" else name}`', f'`{kind}`', qos, TOPICS[name])
                for name, way, kind, qos in rows]),
        'Every QoS can be changed by `qos_overrides` parameters. `/clock` is subscribed to with '
        '`use_sim_time`.', '',
        '## Services', '',
        *table(('service', 'type', ''),
               [(f'`{name}`', f'`{services[name]}`', words) for name, words in SERVICES.items()]),
        'and the parameter services of every node.', '']


def _topics(node: Any, way: str) -> list[tuple[str, str, str, str]]:
    """(short name, way, type, QoS) of what a node subscribes to or publishes."""
    kind, info = (('subscriber', node.get_subscriptions_info_by_topic) if way == 'in' else
                  ('publisher', node.get_publishers_info_by_topic))
    found = getattr(node, f'get_{kind}_names_and_types_by_node')(node.get_name(), '/')
    return [(_short(node, name), way, _kind(kinds), _qos(info(name)[0].qos_profile))
            for name, kinds in found if name not in EVERY_NODE]


def _short(node: Any, name: str) -> str:
    return name.replace(f'{node.get_fully_qualified_name()}/', '~/')


def _kind(kinds: list[str]) -> str:
    package, _, name = kinds[0].split('/')
    return f'{package}/{name}'


def _qos(profile: Any) -> str:
    durability = profile.durability.name.lower().replace('_', ' ')
    return ', '.join([profile.reliability.name.lower().replace('_', ' '),
                      *([durability] if durability != 'volatile' else [])])


def _diagnostics() -> list[str]:
    """Every key of every task, of a report that has everything."""
    from trt_segmentation.engines import Identity
    from trt_segmentation.ros.diagnostics import CameraReport, Limits, Mishaps, NodeReport, tasks
    from trt_segmentation.ros.transport.choose import Transport
    from trt_segmentation.serving import drop_reasons
    from trt_segmentation.stats import Snapshot
    reasons = [value for name, value in vars(drop_reasons).items() if name.isupper()]
    same('reasons', reasons, REASONS)
    snapshot = Snapshot(9, 1, dict.fromkeys(reasons, 1), 1.0, 1.0,
                        dict.fromkeys(STAGES, PERCENTILES))
    camera = CameraReport('NAME', '/image', 1, '', snapshot, stamps_are_foreign=True)
    report = NodeReport('node', 'active', '', snapshot, Limits(1e9, 1e9, 1e9, 1e9), (camera,),
                    transport=Transport('direct', 'why'),
                    identity=Identity('m', 'e', 'v', 'p', 'd', 'r', 'hit'),
                    errors=Mishaps(1, 1, 'why'))
    lines, counted = [], {f'frames_dropped_{reason.replace(" ", "_")}' for reason in reasons}
    timed = {f'{stage}_time_{suffix}' for stage in STAGES
             for suffix in ('ms', 'p95_ms', 'p99_ms')}
    for status in tasks(report):
        task = status.name.partition(': ')[2]
        own = [pair.key for pair in status.values if pair.key not in counted | timed]
        shared = KEYS['pipeline'] if task == CAMERA else {}  # a camera counts as the pipeline
        known = {name: words for name, words in {**shared, **KEYS[task]}.items()
                 if name in own or name in KEYS[task]}
        same(f'keys of {task}', own, known)
        lines += [f'**{task}**', '',
                  *table(('key', ''), [(f'`{key}`', known[key]) for key in own])]
    return [*lines, *_of_pipeline_and_camera()]


def _of_pipeline_and_camera() -> list[str]:
    def rows(words: Mapping[str, str], before: str = '', after: str = '') -> list[tuple[str, str]]:
        return [(f'`{before}{name.replace(" ", "_")}{after}`', text)
                for name, text in words.items()]
    return [
        'Pipeline and cameras also count the images dropped, by reason:', '',
        *table(('key', 'why'), rows(REASONS, 'frames_dropped_')),
        'and give the milliseconds of each stage over the last 10 s: `STAGE_time_ms` is the '
        'median, and', 'there are `STAGE_time_p95_ms` and `STAGE_time_p99_ms`.', '',
        *table(('stage', ''), rows(STAGES)),
        'Stages marked GPU are there with TensorRT and ONNX Runtime CUDA only.']


if __name__ == '__main__':
    print(topics_text(), end='')
