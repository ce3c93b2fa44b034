# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The table of the segmentation node's parameters.

Each row of the table describes a parameter. :data:`SETTINGS` has all rows. If a feature has
several parameters, their rows are in a Python file of their own, such as view_rows.py.
"""

from __future__ import annotations

from ...builder.settings import BuildOptions
from ...engines import ENGINES, PRECISION_CHOICES
from ..transport.choose import TRANSPORTS
from ..transport.messages import MESSAGE_TYPES
from .ground_rows import GROUND
from .setting import EXCHANGED, NEVER, Setting, UNCONFIGURED
from .trust import TIME, TRUST
from .view_rows import VIEW

START_PERIODS = 5
"""If the image topic has no publisher, the log warns of missing images only after this number ×
``stale_after`` seconds, because a camera driver may need several seconds to start."""

SETTINGS = (
    Setting('model', 'street', 'Name of an installed model card, or path of a model card (.yaml). '
            'If the value changes while the node is active, the node uses the old network until '
            'the new network is open. If the new network cannot be opened, the node keeps the old '
            'network.', EXCHANGED),
    Setting('engine', 'auto', "Library that runs the network. 'auto' chooses the best library "
            'that works on this machine.', UNCONFIGURED, choices=ENGINES),
    Setting('precision', 'auto', "Number format in which TensorRT computes. 'auto' means fp16. "
            "ONNX Runtime allows only 'auto', because it runs the model file unchanged.",
            UNCONFIGURED, choices=PRECISION_CHOICES),
    Setting('gpu', 0, 'CUDA index of the GPU. Not used if the network runs on the CPU.',
            UNCONFIGURED, high=63),
    Setting('networks', 1, 'Number of copies of the network that run on the GPU at the same time. '
            'If one copy does not use the whole GPU, two copies process more frames per second, '
            'but need more GPU memory. Not used on the CPU.', UNCONFIGURED, low=1, high=4),
    Setting('engine_cache', '', 'Folder for built TensorRT engines and for the tuned options of '
            'ONNX Runtime. If empty, the folder is $XDG_CACHE_HOME/trt_segmentation, or '
            '~/.cache/trt_segmentation if XDG_CACHE_HOME is not set.', UNCONFIGURED),
    Setting('tune', True, 'Whether the node tunes ONNX Runtime when it first opens a network on a '
            'GPU. The node measures several sets of options once, which takes about half a '
            'minute, and then uses the fastest set. Not used for TensorRT or on the CPU.',
            UNCONFIGURED),
    Setting('workspace_mib', BuildOptions.workspace >> 20, 'Largest scratch memory of one '
            'TensorRT layer in MiB. If the value changes, the TensorRT engine is built again.',
            UNCONFIGURED, low=1, high=65536),
    Setting('optimization_level', BuildOptions.level, 'How long TensorRT searches for fast '
            'kernels: 0 is the shortest search, 5 is the longest. If the value changes, the '
            'TensorRT engine is built again.', UNCONFIGURED, high=5),
    Setting('cameras', (), 'Names of the cameras. For each camera, the node subscribes to '
            'CAMERA/image, and publishes CAMERA/segmentation/label_map and the other results. If '
            'the list is empty, there is one camera without a name: the node subscribes to image, '
            'and publishes ~/label_map and the other results.', UNCONFIGURED,
            pattern=(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*',
                     'a topic name such as front or front/left'), most=64),
    Setting('max_batch', 0, 'Largest number of frames in one batch. A batch has at most one frame '
            'per camera. 0 means the batch size in the model file. If this size is dynamic, 0 '
            'means 1. If you raise the value after the transition `configure`, a GPU may '
            'process a batch in several parts.', high=64),
    Setting('batch_wait_ms', 0.0, 'Longest time in milliseconds that a frame waits for frames of '
            'other cameras. 0 means no wait: a batch has the frames that were received before '
            'the engine became free.', high=1000.0),
    Setting('transport', 'auto', "How images travel. 'direct' receives and publishes images "
            "without Python messages. 'typed' uses Python messages, as rclpy usually does. 'auto' "
            "means 'direct' if this is possible, else 'typed'.", UNCONFIGURED, choices=TRANSPORTS),
    Setting('image_transport', 'raw', "With 'raw', the node subscribes to the image topic IMAGE. "
            "With 'compressed', it subscribes to IMAGE/compressed (JPEG or PNG). With 'foxglove' "
            "or 'ffmpeg', it subscribes to IMAGE/foxglove or IMAGE/ffmpeg (H.264 or H.265 video).",
            UNCONFIGURED, choices=tuple(MESSAGE_TYPES)),
    Setting('autostart', True, 'Whether the node configures and activates itself at start-up. If '
            'false, you or a lifecycle manager must do this.', NEVER),
    Setting('frame_log', '', 'Log file with one JSON object per frame. The object has stamp_ns, '
            'done_ns, and the timings or the reason why the frame was dropped. Give a new or '
            'empty file, /dev/stdout, /dev/stderr, or an earlier frame log. The node appends to '
            'an earlier frame log.', UNCONFIGURED),
    Setting('alpha', 0.5, 'Weight of the class colours in the overlay. With 0, the overlay shows '
            'only the image. With 1, the overlay shows only the colours.', high=1.0),
    Setting('palette', (), 'Colours of the overlay, one #rrggbb per class. [] means the colours '
            'of the model card.', pattern=(r'#[0-9A-Fa-f]{6}', '#rrggbb'), most=65535),
    Setting('half_overlay', False, 'Whether the overlay has only every second row and column of '
            'the image. Such an overlay has a quarter of the bytes of a full overlay.'),
    Setting('overlay_rate', 0.0, 'Largest number of overlays per second for each camera. 0 means '
            'an overlay for every frame.', high=1000.0),
    Setting('confidence', False, 'Whether the node publishes the confidence of each pixel. The '
            'node publishes it only while the confidence topic has a subscriber.'),
    Setting('diagnostics_period', 1.0, 'Seconds between two /diagnostics messages.', NEVER,
            low=0.1, high=60.0),
    Setting('log_throttle', 5.0, 'Shortest time in seconds between two warnings of the same kind '
            'about the same camera.', high=3600.0),
    Setting('stale_after', 2.0, 'After this many seconds without an image, the log and the '
            f'diagnostics warn. If the topic has no publisher, the log warns after '
            f'{START_PERIODS} times as many seconds.', low=0.1, high=3600.0),
    Setting('latency_warn_ms', 200.0, 'If the p95 latency is above this many ms, diagnostics show '
            'WARN. Latency is the time from receiving an image to publishing its results.',
            high=60000.0),
    Setting('latency_error_ms', 1000.0, 'If the p95 latency is above this many ms, diagnostics '
            'show ERROR. This value must not be below `latency_warn_ms`.', high=60000.0),
    Setting('age_warn_ms', 500.0, 'If the p95 age is above this many ms, diagnostics show WARN. '
            'Age is the time from the stamp of an image until the node publishes its label map.',
            high=60000.0),
    Setting('age_error_ms', 2000.0, 'If the p95 age is above this many ms, diagnostics show '
            'ERROR. This value must not be below `age_warn_ms`.', high=60000.0),
    *TIME,
    *TRUST,
    *VIEW,
    *GROUND,
)
"""All parameters of the node, except ``use_sim_time`` and ``qos_overrides.*`` of rclpy."""
