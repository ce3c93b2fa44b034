# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/topics.md from a running node: python docs/generate/topics.py > docs/topics.md

The topics, types, QoS and services come from a running node. The keys come from the code that
makes the diagnostics. This file holds only the descriptions. The script exits with an error if a
topic, service or key has no description, or if a description belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import os
import random
import sys
from typing import Any

from cli import table
import numpy as np

PERCENTILES = {'p50': 1.0, 'p95': 2.0, 'p99': 3.0}
CAMERA = 'camera NAME'
EVERY_NODE = ('/parameter_events', '/rosout', '/clock')

INTRODUCTION = """\
# Topics, services, diagnostics

`docs/generate/topics.py` writes this page. `~` stands for the node's name: `/trt_segmentation`,
unless you rename the node. With `cameras: [front]` the node uses `front/image` and
`front/camera_info` instead of `image` and `camera_info`, and `front/segmentation/label_map`
instead of `~/label_map`. The names of `~/overlay`, `~/confidence`, `~/health`, `~/ground`,
`~/camera_info` and `~/label_info` change in the same way.
"""
ABOUT_DIAGNOSTICS = """\
## Diagnostics

`/diagnostics` has a status for `trt_segmentation: pipeline`, one for `trt_segmentation: engine`,
and one for each `trt_segmentation: camera NAME` (`camera` if the camera has no name).
`hardware_id` is the name of the GPU or CPU on which the network runs. If a status is WARN or
ERROR, `message` says what is wrong. [Parameters](parameters.md) set the limits for WARN and ERROR.
"""
ABOUT_STAGES = """\
The statuses of the pipeline and of each camera also show how many milliseconds each stage took
in the last 10 s. `STAGE_time_ms` is the median. `STAGE_time_p95_ms` and `STAGE_time_p99_ms` are
the 95th and the 99th percentile. Only the report of the demo has `end_to_end`:
[Make it faster](latency.md#look-at-three-figures-first) explains this time.
"""

TOPICS = {
    '/image': 'The input. With `image_transport: compressed` the node takes `<image>/compressed`. '
              'With `ffmpeg` or `foxglove` the node takes H.264 or H.265 video.',
    '/camera_info': 'An optional input, in the same namespace as the image topic.',
    '~/label_map': "The class id of each pixel, in the image's size and with its header. The "
                   'encoding is mono8, or mono16 if the model has more than 255 classes. 255 '
                   '(mono8) or 65535 (mono16) means unlabelled, for example because the network '
                   'did not see the pixel.',
    '~/overlay': 'The image with the class colours on it, in bgr8. The node computes it only '
                 'while someone subscribes.',
    '~/confidence': 'The confidence of each pixel, in mono8: 0 to 255 means 0 to 1. The node '
                    'computes it only with `confidence: true` and while someone subscribes.',
    '~/health': 'With `health: true`, the figures of each frame: the share of each class, the '
                'mean entropy, `margin_p5` and the drift. The level is WARN if the drift is '
                'above `drift_warn`.',
    '~/camera_info': "The newest `camera_info` of the camera, with the image's header.",
    '~/ground': 'The ground around the camera as a grid, with the stamp of the image. The topic '
                'exists only with `ground: true`. [Plan with the results](planner.md) explains '
                'the values.',
    '~/label_info': 'The class name of each id. The node publishes it when it becomes '
                    'active, and after each exchange of the model, if vision_msgs is installed.',
    '~/transition_event': 'The changes of the lifecycle state. Every lifecycle node publishes '
                          'them.',
    '/diagnostics': 'The state and the counts of the node, at the interval that '
                    '`diagnostics_period` sets; see below.',
}
SERVICES = {
    '~/change_state': 'Configure, activate, deactivate, clean up or shut down the node.',
    '~/get_state': 'Get the lifecycle state.',
    '~/get_available_states': 'List all lifecycle states.',
    '~/get_available_transitions': 'List the transitions that are possible now.',
    '~/get_transition_graph': 'List all transitions.',
}
KEYS = {
    'pipeline': {
        'state': 'lifecycle state',
        'cameras': 'number of cameras',
        'transport': 'direct or typed',
        'transport_reason': 'why the node uses this transport',
        'executor_errors': 'number of exceptions in callbacks since the start. Each one is a bug. '
                           'The node keeps running.',
        'executor_error': 'the newest of these exceptions',
        'clock_messages_ignored': 'number of `/clock` messages without a valid time, since the '
                                  'start',
        'frames_in': 'number of images that arrived since the start',
        'frames_out': 'number of label maps that the node published',
        'frames_dropped': 'number of images that got no label map. `frames_in` is always '
                          '`frames_out` + `frames_dropped` + the number of images that '
                          'wait or are in the pipeline.',
        'fps_in': 'images per second, over the last 10 s',
        'fps_out': 'label maps per second, over the last 10 s',
        'frames_lost': 'number of images that the middleware lost; `frames_in` does not count '
                       'these. The value is `unknown` if the middleware does not report losses.',
        'frames_skipped': 'number of images that never arrived: lost images, and images that a '
                          'newer image replaced before the node took them. The process of the '
                          'camera numbers its images, and the node counts the missing numbers.',
    },
    'engine': {
        'model': 'name in the model card',
        'engine': 'tensorrt, onnxruntime-cuda or onnxruntime-cpu',
        'version': "version of the engine's library",
        'precision': 'fp32, fp16, int8 or mixed',
        'device': 'name of the GPU or CPU',
        'reason': 'why the node uses this engine',
        'opened_s': 'how many seconds it took to open the network',
        'card': 'path of the model card',
        'exchange': 'only during an exchange of the model and after a refused exchange: what the '
                    'exchange does now, or why the last exchange was refused',
        'cache': 'only with TensorRT and tuned ONNX Runtime CUDA: `hit` if the engine or the '
                 'tuned options were in the cache, otherwise `built`',
        'tuning': 'only with ONNX Runtime CUDA: the fastest options, and the time that the '
                  'network takes with these options',
    },
    CAMERA: {
        'image_topic': 'full name of the image topic',
        'image_publishers': 'number of publishers on this topic',
        'camera_info_bad': 'number of `camera_info` messages that the node could not read. Log '
                           'and diagnostics say why.',
        'camera_info_lost': 'number of `camera_info` messages that the middleware lost',
        'ground_missing': 'only with `ground: true`: number of ground grids that the node could '
                          'not compute. Log and diagnostics say why.',
        'is_processing_time_ms_in_expected_range': 'whether the latency of the newest frame is at '
                                                   'most `latency_warn_ms`. This key and the '
                                                   'next three are those of Autoware.',
        'processing_time_ms': 'latency of the newest frame in milliseconds',
        'is_consecutive_processing_delay_in_range': 'whether fewer than `late_frames` frames in a '
                                                    'row were late',
        'consecutive_processing_delay_ms': 'milliseconds since the last frame that was in '
                                           'time; 0 if the newest frame was in time',
        'late_frames_in_row': 'number of late frames since the last frame that was in time',
        'drift': 'how far the newest frames are from the reference, a file with the figures of '
                 'typical frames. A drift above 1 is rare for such frames. Until `drift_frames` '
                 'frames have arrived, the value is a text such as `29 of 60 frames`. If there is '
                 'no reference, the value is a text that says how to write one. This key and the '
                 'next four need `health: true`.',
        'entropy': 'mean entropy of the newest frame, from 0 (certain) to 1 (every class is '
                   'equally likely)',
        'margin_p5': '5 % of the pixels of the newest frame have a smaller margin. The margin is '
                     'the difference between the two largest class probabilities.',
        'unlabelled': 'share of the unlabelled pixels of the newest frame',
        'share NAME': 'share of the class NAME in the labelled pixels of the newest frame',
        'age': "only if the stamps and the node's clock have different time bases: a text that "
               'says that the node cannot measure the age',
    },
}
REASONS = {
    'superseded': 'A newer image of the camera arrived while this one waited, because the network '
                  'is slower than the camera.',
    'bad frame': "The node does not support the encoding, or the image's header does not match "
                 'its bytes. Log and diagnostics name the wrong value.',
    'engine error': 'The engine failed on this image. Log and diagnostics say how.',
    'engine down': 'The engine failed several times, and the node is opening it again.',
    'out of memory': 'The system had too little free memory for this image.',
    'internal error': 'There is a bug. The log has the traceback.',
    'deactivated': 'The node was deactivated or shut down before this image was done.',
    'no free buffer': 'Only with direct transport: all buffers were in use, because each held an '
                      'image in the pipeline.',
    'too old': 'When the label map was ready, the image was older than `max_age` allows.',
    'take error': 'Only with direct transport: the middleware could not give the image to the '
                  'node.',
}
STAGES = {
    'wait': 'The image waits from the moment when the node takes it until the submitting thread '
            'reads it.',
    'decode': 'The node reads the header, and decodes JPEG and PNG.',
    'stage': 'GPU: if the image is not in pinned memory, the CPU copies it into pinned memory.',
    'upload': 'GPU: the GPU copies the image from pinned memory into GPU memory.',
    'preprocess': 'The pipeline converts the colours, and resizes and normalizes the image.',
    'inference': 'The network runs on the whole batch.',
    'postprocess': 'The pipeline enlarges the network output and computes the classes. If wanted, '
                   'it computes overlay and confidence.',
    'download': 'GPU: the GPU copies the label map and the confidence into pinned memory.',
    'overlay': 'GPU: the GPU copies the overlay into pinned memory, after the label map.',
    'publish': 'The node gives the results to the middleware.',
    'total': 'The whole time in the node: it starts when the node takes the image. It ends when '
             'the node has published the label map, and the overlay if someone subscribes.',
    'age': "The time from the image's stamp until the node starts to publish the label map.",
}


def same(what: str, found: Iterable[str], described: Iterable[str]) -> None:
    """Exit with an error if a name has no description, or a description has no name."""
    found, described = set(found), set(described)
    if found != described:
        sys.exit(f'docs/generate/topics.py: {what}: describe {sorted(found - described)}, and '
                 f'remove the descriptions of {sorted(described - found)}')


def topics_text() -> str:
    """Return the text of docs/topics.md."""
    return '\n'.join([INTRODUCTION, *_endpoints(), ABOUT_DIAGNOSTICS, *_diagnostics()])


def _endpoints() -> list[str]:
    """Start a node, and return the tables of its topics and services."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    import rclpy
    from rclpy.parameter import Parameter

    from trt_segmentation.ros import publishers
    from trt_segmentation.ros.node import SegmentationNode
    from trt_segmentation.ros.optics.ground_output import OccupancyGrid
    from trt_segmentation.ros.transport.qos import LATCHED, RELIABLE
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=random.randint(1, 100))
    node = SegmentationNode(context=context, parameter_overrides=[
        Parameter('engine', value='onnxruntime-cpu'), Parameter('camera_height', value=1.0),
        Parameter('ground', value=OccupancyGrid is not None)])
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
    if OccupancyGrid is None:  # the page describes a machine with nav_msgs
        rows.append(('~/ground', 'out', 'nav_msgs/OccupancyGrid', _qos(RELIABLE)))
    same('topics', [row[0] for row in rows], TOPICS)
    same('services', services, SERVICES)
    order = list(TOPICS)
    rows.sort(key=lambda row: order.index(row[0]))
    return [
        '## Topics', '',
        *table(('topic', 'type', 'QoS', 'content'),
               [(f'`{name.lstrip("/") if way == "in" else name}`', f'`{kind}`', qos, TOPICS[name])
                for name, way, kind, qos in rows]),
        'The `qos_overrides` parameters change the QoS of a topic. With `use_sim_time` the node',
        'subscribes to `/clock`.', '',
        '## Services', '',
        *table(('service', 'type', 'purpose'),
               [(f'`{name}`', f'`{services[name]}`', words) for name, words in SERVICES.items()]),
        'The node also has the usual parameter services of every ROS node.', '']


def _topics(node: Any, way: str) -> list[tuple[str, str, str, str]]:
    """Return (name, way, type, QoS) of subscriptions if ``way`` is 'in', else of publishers."""
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
    """Return the tables of all keys of /diagnostics."""
    from trt_segmentation.engines import Identity
    from trt_segmentation.ros.diagnostics import CameraReport, Limits, Mishaps, NodeReport, tasks
    from trt_segmentation.ros.health import describe_figures, HealthReport
    from trt_segmentation.ros.transport.choose import Transport
    from trt_segmentation.serving import drop_reasons
    from trt_segmentation.stats import Snapshot
    from trt_segmentation.trust.tally import FrameFigures
    reasons = [value for name, value in vars(drop_reasons).items() if name.isupper()]
    same('reasons', reasons, REASONS)
    snapshot = Snapshot(9, 1, dict.fromkeys(reasons, 1), 1.0, 1.0,
                        dict.fromkeys(STAGES, PERCENTILES))
    figures = FrameFigures(np.array([1.0]), 0.0, 0.0, 1.0)
    camera = CameraReport('NAME', '/image', 1, '', snapshot, stamps_are_foreign=True,
                          ground_missing=0,
                          health=HealthReport(describe_figures(figures, ('NAME',), 0.5)))
    report = NodeReport('node', 'active', '', snapshot, Limits(1e9, 1e9, 1e9, 1e9), (camera,),
                    transport=Transport('direct', 'why'),
                    identity=Identity('m', 'e', 'v', 'p', 'd', 'r', 'hit', 't', 1.0),
                    card='m.yaml', exchange='why',
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
                  *table(('key', 'value'), [(f'`{key}`', known[key]) for key in own])]
    return [*lines, *_of_pipeline_and_camera()]


def _of_pipeline_and_camera() -> list[str]:
    def rows(words: Mapping[str, str], before: str = '', after: str = '') -> list[tuple[str, str]]:
        return [(f'`{before}{name.replace(" ", "_")}{after}`', text)
                for name, text in words.items()]
    return [
        'The statuses of the pipeline and of each camera also count dropped images by reason:', '',
        *table(('key', 'why the node dropped the image'), rows(REASONS, 'frames_dropped_')),
        ABOUT_STAGES,
        *table(('stage', 'what happens in this time'), rows(STAGES)),
        'Only TensorRT and ONNX Runtime CUDA have the stages marked with GPU.']


if __name__ == '__main__':
    print(topics_text(), end='')
