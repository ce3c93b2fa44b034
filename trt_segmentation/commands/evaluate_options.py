# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg eval``.

The command can write a reference, which is a file with numbers about the evaluated images. A node
compares the images of its camera with this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import EvaluationError
from .arguments.options import (
    add_device,
    add_label_values,
    add_model,
    Arguments,
    Commands,
    set_options,
)
from .arguments.values import count, fraction, index, positive
from .fleet.options import add_work, add_workers, GpuWorkerOptions

BESIDE = Path()
"""Value of ``save_reference`` if --save-reference has no FILE. The reference is then written
beside the model card. No FILE has this value, because ``Path()`` is a folder (the current one)."""


@dataclass(frozen=True)
class EvaluateOptions(GpuWorkerOptions):
    """The options of ``trt_seg eval``. The help text of each argument explains its option.

    :func:`.open_pipeline` explains ``engine``, ``gpu`` and ``precision``.

    :param drive: seed of a simulated drive along a street; None for separate scenes.
    :param condition: conditions of the street scenes, such as ``night``; () for all conditions.
    :param images: folder of images; None to score street scenes or ``sources``.
    :param sources: recordings for workers, see :func:`.find_recordings`; () to score street scenes
        or ``images`` in this process.
    :param image_topic: see :class:`.EvaluateJob` for this topic and ``label_topic``.
    :param work: folder or URL for the results of the workers; None for a temporary folder.
    :param save_reference: file for the reference, see :func:`.make_reference`; None for no
        reference.
    :param label_map: path or name of a value map, see :func:`.label_values.load_value_map`; None
        if the values in the label maps are class ids already.
    """

    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    street: int | None = None
    condition: tuple[str, ...] = ()
    images: Path | None = None
    labels: Path | None = None
    ignore: tuple[range, ...] = ()
    label_map: str | None = None
    json: Path | None = None
    min_miou: float | None = None
    fit_temperature: bool = False
    save_card: Path | None = None
    save_reference: Path | None = None
    sources: tuple[str, ...] = ()
    image_topic: str | None = None
    label_topic: str | None = None
    work: str | None = None
    drive: int | None = None
    fps: float | None = None

    def check(self) -> None:
        """Raise an EvaluationError if options contradict each other."""
        self._check_workers()
        if (self.images is None) != (self.labels is None):
            raise EvaluationError('--images and --labels must be given together')
        if (self.ignore or self.label_map) and self.labels is None and not self.sources:
            raise EvaluationError('--ignore and --map need label maps; give --images and '
                                  '--labels, or a SOURCE')
        for option, value in (('--street', self.street), ('--drive', self.drive),
                              ('--condition', self.condition)):
            if self.images and value not in (None, ()):
                raise EvaluationError(f'{option} is only for street scenes and cannot be '
                                      'used with --images')
        if self.fps is not None and self.drive is None:
            raise EvaluationError('--fps is the number of frames per second of a drive; give '
                                  '--drive too')
        if self.save_card and self.save_card.suffix not in ('.yaml', '.yml'):
            raise EvaluationError(f'--save-card {self.save_card}: the name of a model card ends '
                                  'in .yaml or .yml')
        if self.save_card and not self.fit_temperature:
            raise EvaluationError('--save-card writes the fitted temperature; give '
                                  '--fit-temperature too')
        if self.save_reference is not None and self.fit_temperature:
            raise EvaluationError('--save-reference and --fit-temperature cannot be used '
                                  'together, because a reference is valid only for the '
                                  'temperature in the model card. Fit the temperature first. '
                                  'Then write the reference with the new card')
        if self.save_reference == BESIDE and self.images is None and self.drive is None:
            raise EvaluationError(
                '--save-reference without FILE writes the reference beside the model card, where '
                'every node finds it. But a reference from separate drawn scenes does not fit the '
                'images of any camera. Give your own images with --images and --labels, or give '
                '--drive, or write to another file: --save-reference FILE')

    def _check_workers(self) -> None:
        for_workers = ('image_topic', 'label_topic', 'ray', 'workers', 'gpus_per_worker',
                       'cpus_per_worker', 'lease', 'retry', 'work')
        for_process = ('gpu', 'street', 'drive', 'fps', 'condition', 'images', 'labels',
                       'fit_temperature', 'save_card', 'save_reference')
        changed = [name for name in (for_process if self.sources else for_workers)
                   if getattr(self, name) != getattr(EvaluateOptions, name)]
        if changed:
            option = f'--{changed[0].replace("_", "-")}'
            raise EvaluationError(f'{option} cannot be used with a SOURCE' if self.sources else
                                  f'{option} is for recordings; give at least one SOURCE')
        if self.ray is not None and self.work is None:
            raise EvaluationError('--ray needs a folder or URL that all machines see, for the '
                                  'results of the workers; give it with --work')


def add_command(commands: Commands) -> None:
    """Add ``trt_seg eval`` with its arguments."""
    parser = commands.add_parser(
        'eval', help='measure the mean IoU, the IoU of each class and the pixel accuracy',
        description='Measure the accuracy of a model on street scenes that were not used in '
        'training, or on your own images. For your images, give a folder of images and a folder '
        'of label maps. A label map is a PNG file of class ids. Its name is the name of the image '
        'with the ending .png. The class id 255 means unlabelled. To score recordings, give one '
        'SOURCE or more. Workers then score parts of the recordings (shards) of about 60 seconds, '
        'and the command adds up the results. A shard that fails three times is put into '
        'quarantine. If shards are in quarantine at the end, or if a frame cannot be decoded, the '
        'exit code is 1.')
    parser.add_argument(
        'sources', nargs='*', metavar='SOURCE', help='a bag with images and label maps, '
        'or a folder that contains the folders `images` and `labels`. A SOURCE can also be a '
        'pattern, a folder of such recordings, or a URL such as s3://bucket/drives')
    add_model(parser)
    add_device(parser)
    _add_street(parser)
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of images')
    parser.add_argument('--labels', type=Path, metavar='DIR', help='folder of label maps')
    add_label_values(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the scores to this file')
    parser.add_argument('--min-miou', type=fraction, metavar='X',
                        help='smallest accepted mean IoU. If the mean IoU of a column of the '
                        'table is smaller, the exit code is 1')
    parser.add_argument('--fit-temperature', action='store_true',
                        help='find the temperature that corrects the confidence, and print '
                        'this temperature. Every second image is used for the fit, and the other '
                        'images are used to check the fit')
    parser.add_argument('--save-card', type=Path, metavar='FILE.yaml',
                        help='write a copy of the model card with the fitted temperature')
    parser.add_argument('--save-reference', nargs='?', type=Path, const=BESIDE, metavar='FILE',
                        help='write a reference, which is a file with numbers about the '
                        'segmentation of each image, such as the share of each class. If the '
                        'parameter `health` is true, the node compares its frames with this '
                        'reference. Without FILE, the file is written beside the model card, and '
                        '--images or --drive is needed')
    _add_workers(parser.add_argument_group('with SOURCE'))
    set_options(parser, EvaluateOptions)


def _add_street(parser: Arguments) -> None:
    parser.add_argument('--street', type=count, metavar='N',
                        help='number of street scenes for each condition, or of frames with '
                        '--drive (default: 100)')
    parser.add_argument('--drive', type=index, metavar='SEED',
                        help='use the first frames of one drive, in their order, instead of '
                        'separate scenes. A drive is the simulated trip that the node '
                        'street_camera shows with this `seed`. Training may have used this drive, '
                        'so use this option for a reference, and not to measure the accuracy')
    parser.add_argument('--fps', type=positive, metavar='N',
                        help='frames per second of the drive, as the parameter `fps` of '
                        'street_camera (default: 30)')
    parser.add_argument('--condition', metavar='day,night,…',
                        type=lambda text: tuple(text.split(',')),
                        help='conditions of the street scenes (default: all)')


def _add_workers(group: Arguments) -> None:
    group.add_argument('--label-topic', metavar='T', help='topic of the label maps in the bags. '
                       'A label map must have the same header stamp as its image')
    group.add_argument('--image-topic', metavar='T',
                       help='image topic of the bags (default: the only camera of each bag)')
    add_work(group)
    add_workers(group, '--work')
