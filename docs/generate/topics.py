# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/topics.md from a running node: python docs/generate/topics.py > docs/topics.md

The node gives topics, types, QoS and services. The function that makes diagnostics gives their
keys. This file holds only the descriptions. It exits with an error if a name has no description,
or if a description has no name.
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
    '/image': 'Input. With `image_transport: compressed` the node takes `<image>/compressed`.',
    '/camera_info': 'Input, optional. It is beside the image, unless you remap it.',
    '~/label_map': "Class ids in the camera's size, with the image's header: mono8, or mono16 for "
                   'more than 255 classes. A pixel that the network did not see is 255 (mono8) or '
                   '65535 (mono16).',
    '~/overlay': 'bgr8, the image with the class colours on it. The node computes it only while '
                 'someone subscribes.',
    '~/confidence': 'mono8, 0 to 255 for 0 to 1. It needs `confidence: true` and a subscriber.',
    '~/camera_info': "The newest `camera_info`, with the image's header.",
    '~/label_info': 'Class names by id, published once. It needs vision_msgs.',
    '~/transition_event': 'Every lifecycle node has it.',
    '/diagnostics': 'Once every `diagnostics_period`; see below.',
}
SERVICES = {
    '~/change_state': 'Configure, activate, deactivate, clean up or shut down the node.',
    '~/get_state': 'Get the lifecycle state.',
    '~/get_available_states': 'Every lifecycle node has it.',
    '~/get_available_transitions': 'Every lifecycle node has it.',
    '~/get_transition_graph': 'Every lifecycle node has it.',
}
KEYS = {
    'pipeline': {
        'state': 'lifecycle state',
        'cameras': 'number of cameras',
        'transport': 'direct or typed',
        'transport_reason': 'why the node uses this transport',
        'executor_errors': 'exceptions of callbacks that the node survived, since the start. Each '
                           'one is a bug.',
        'executor_error': 'the newest of these exceptions',
        'clock_messages_ignored': 'messages of `/clock` that hold no time, since the start',
        'frames_in': 'images that arrived since the start',
        'frames_out': 'label maps that the node published',
        'frames_dropped': 'images that got no label map. `frames_in` is always `frames_out` + '
                          '`frames_dropped` + the images in the pipeline.',
        'fps_in': 'images per second, over the last 10 s',
        'fps_out': 'label maps per second, over the last 10 s',
        'frames_lost': 'images that the middleware lost; `frames_in` does not count them. If the '
                       'middleware does not report losses: `unknown` and the reason.',
        'frames_skipped': "images that never arrived, by the camera's own numbers: the lost "
                          'images, and images that a newer one replaced before the node took them',
    },
    'engine': {
        'model': 'name in the model card',
        'engine': 'tensorrt, onnxruntime-cuda or onnxruntime-cpu',
        'version': "version of the engine's library",
        'precision': 'fp32, fp16, int8 or mixed',
        'device': 'name of the GPU or CPU',
        'reason': 'why the node uses this engine',
        'opened_s': 'seconds that opening the network took',
        'cache': 'TensorRT and tuned ONNX Runtime CUDA: `hit` (from the cache) or `built`',
        'tuning': 'ONNX Runtime CUDA: the options that were measured as the fastest, and their '
                  'time',
    },
    CAMERA: {
        'image_topic': 'full name of the image topic',
        'image_publishers': 'number of publishers on this topic',
        'camera_info_bad': '`camera_info` messages that the node could not read. Log and '
                           'diagnostics say why.',
        'camera_info_lost': '`camera_info` messages that the middleware lost',
        'age': 'why there is no age, if stamps and clock share no time base',
    },
}
REASONS = {
    'superseded': 'A newer image of the camera arrived while this one waited, because the network '
                  'is slower than the camera.',
    'bad frame': 'Header and bytes do not fit together. Log and diagnostics name the value.',
    'engine error': 'The engine failed on this image. Log and diagnostics say how.',
    'engine down': 'The engine failed several times, and the node is opening it again.',
    'internal error': 'There is a bug. The log has the traceback.',
    'deactivated': 'The image was waiting when the node was deactivated.',
    'no free buffer': 'Direct transport: every buffer held an image in the pipeline.',
    'take error': 'Direct transport: the middleware could not give the image to the node.',
}
STAGES = {
    'wait': 'from taking the image until the submitting thread reads it',
    'decode': 'read the header; decode JPEG and PNG',
    'stage': 'GPU: copy the image into pinned memory, if it is not there already',
    'upload': 'GPU: copy from pinned memory to the GPU',
    'preprocess': 'change the colour order, resize, normalize',
    'inference': 'run the network on the whole batch',
    'postprocess': 'enlarge, compute argmax, and overlay and confidence if wanted',
    'download': 'GPU: copy label map and confidence to pinned memory',
    'overlay': 'GPU: copy the overlay to pinned memory, after the label map',
    'publish': 'give the results to the middleware',
    'total': 'from taking the image until its label map is published',
    'age': "from the image's stamp until the node starts to publish its label map",
}


def same(what: str, found: Iterable[str], described: Iterable[str]) -> None:
    """Exit with an error if a name has no description, or a description has no name."""
    found, described = set(found), set(described)
    if found != described:
        sys.exit(f'docs/generate/topics.py: {what}: describe {sorted(found - described)}, and '
                 f'remove the descriptions of {sorted(described - found)}')


def topics_text() -> str:
    """Return the text of docs/topics.md."""
    return '\n'.join([
        '# Topics, services, diagnostics', '', '`docs/generate/topics.py` writes this page from '
        "a running node. `~` is the node's name,", '`/trt_segmentation` unless you rename it. '
        'With `cameras: [front]` the camera has `front/image` and', '`front/camera_info` instead '
        'of `image` and `camera_info`, and `front/segmentation/label_map` instead', 'of '
        '`~/label_map`; the other outputs change in the same way.', '',
        *_endpoints(), '## Diagnostics', '',
        '`/diagnostics` has one status each for `trt_segmentation: pipeline`, '
        '`trt_segmentation: engine` and', '`trt_segmentation: camera NAME` (`camera` alone if '
        'the camera has no name). `hardware_id` is the device.', 'If the status is WARN or ERROR, '
        '`message` says what is wrong. The limits are [parameters](parameters.md).', '',
        *_diagnostics()])


def _endpoints() -> list[str]:
    """Start a node, and return the tables of its topics and services."""
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
    if publishers.LabelInfo is None:  # the page describes a machine with vision_msgs
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
        'The `qos_overrides` parameters change any QoS. With `use_sim_time` the node subscribes '
        'to `/clock`.', '',
        '## Services', '',
        *table(('service', 'type', ''),
               [(f'`{name}`', f'`{services[name]}`', words) for name, words in SERVICES.items()]),
        'The node also has the parameter services of every node.', '']


def _topics(node: Any, way: str) -> list[tuple[str, str, str, str]]:
    """Return (short name, way, type, QoS) of each topic that a node subscribes to or publishes."""
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
    """Return the tables of every key, from a report that has every key."""
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
                    identity=Identity('m', 'e', 'v', 'p', 'd', 'r', 'hit', 't', 1.0),
                    errors=Mishaps(1, 1, 'why'))
    lines, counted = [], {f'frames_dropped_{reason.replace(" ", "_")}' for reason in reasons}
    timed = {f'{stage}_time_{suffix}' for stage in STAGES
             for suffix in ('ms', 'p95_ms', 'p99_ms')}
    for status in tasks(report):
        task = status.name.partition(': ')[2]
        own = [pair.key for pair in status.values if pair.key not in counted | timed]
        # A camera has the same counts as the pipeline.
        shared = KEYS['pipeline'] if task == CAMERA else {}
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
        'The pipeline and each camera also count the dropped images by reason:', '',
        *table(('key', 'why'), rows(REASONS, 'frames_dropped_')),
        'They also have the milliseconds of each stage over the last 10 s: `STAGE_time_ms` is the '
        'median, and', '`STAGE_time_p95_ms` and `STAGE_time_p99_ms` are the percentiles.', '',
        *table(('stage', ''), rows(STAGES)),
        'Only TensorRT and ONNX Runtime CUDA have the stages marked GPU.']


if __name__ == '__main__':
    print(topics_text(), end='')
