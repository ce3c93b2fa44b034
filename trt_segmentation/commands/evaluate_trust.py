# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of ``trt_seg eval`` that write a reference or fit a temperature.

A reference holds numbers about each evaluated image, such as the share of each class. A node
compares its frames with a reference. A temperature corrects the confidence of a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..accuracy.samples import Sample
from ..accuracy.temperature import fit_temperature
from ..errors import EvaluationError
from ..frame import Segmentation
from ..model.card import ModelCard
from ..model.card_copy import save_with_temperature
from ..trust.drift import WINDOW, WINDOWS
from ..trust.reference import make_reference, reference_path
from ..trust.tally import FrameFigures, read_tally
from ..untrusted.output_files import check_file
from .evaluate_options import BESIDE, EvaluateOptions


class ReferenceWriter:
    """Collects numbers about each segmentation, and writes these numbers as a reference.

    :raises EvaluationError: if the model card was not read from a file, and --save-reference names
        no file.
    :raises OutputError: if the reference cannot be written.
    """

    def __init__(self, card: ModelCard, options: EvaluateOptions) -> None:
        self._card = card
        self._figures: list[FrameFigures] = []
        path = options.save_reference
        if path == BESIDE and (path := reference_path(card)) is None:
            raise EvaluationError(f'the card {card.name} was not read from a file, so the '
                                  'reference cannot be written beside it. Give a path: '
                                  '--save-reference FILE')
        self._path = path
        if path is not None:
            check_file(path, '--save-reference')

    def observe(self, segmentation: Segmentation) -> None:
        """Keep the numbers about a segmentation if --save-reference is given."""
        if self._path is not None and segmentation.tally is not None:
            self._figures.append(read_tally(segmentation.tally))

    def save(self) -> None:
        """Write the reference, and print its path. Do nothing without --save-reference."""
        if self._path is not None:
            reference = make_reference(self._card, self._figures)
            reference.save(self._path, '--save-reference')
            count = len(reference.frames)
            print(f'→ {self._path}: the reference of {count} images')
            if count < WINDOWS * WINDOW:
                print(f'By default, a node needs a reference of at least {WINDOWS * WINDOW} '
                      'images. Evaluate more images, or set the parameter `drift_frames` of the '
                      f'node to {count // WINDOWS} or less' if count >= WINDOWS else
                      f'A node needs a reference of at least {WINDOWS} images')


def print_temperature(card: ModelCard, samples: Iterable[Sample], copy: Path | None) -> None:
    """Fit a temperature, and print the temperature.

    :param copy: file for a copy of the model card with this temperature; None for no copy.
    :raises EvaluationError: if the temperature makes the calibration error larger.
    :raises SegmentationError: see :func:`.fit_temperature` and :func:`.save_with_temperature`.
    """
    found = fit_temperature(card, samples)
    fit = f'{found.fitted} image{"s" * (found.fitted != 1)}'
    check = f'{found.checked} other image{"s" * (found.checked != 1)}'
    if found.after > found.before:
        raise EvaluationError(
            f'the temperature {found.temperature:.4g} is not used, because it makes the '
            f'calibration error on {check} larger: {found.after:.4f} instead of '
            f'{found.before:.4f}. The temperature was fitted on {fit}. Give more images. '
            'If the error is still larger, keep the present temperature '
            f'{card.output.temperature:g}')
    print(f'temperature {found.temperature:.4g}, fitted on {fit}. On {check}, '
          f'this temperature changes the calibration error from {found.before:.4f} to '
          f'{found.after:.4f}.')
    if copy is None:
        print(f'To use this temperature, add these two lines to the model card {card.source}. If '
              'the card has the line `output:` already, add only the second line below it:\n'
              f'output:\n  temperature: {found.temperature:.4g}')
    else:
        save_with_temperature(card, found.temperature, copy, '--save-card')
        print(f'→ {copy}: a copy of the model card with this temperature')
