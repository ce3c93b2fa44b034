# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The reference of a model: the figures of the frames on which the model was evaluated.

Figures are numbers about a frame, such as the share of each class. They are computed from a sample
of the frame's pixels; see :mod:`.tally`. ``trt_seg eval --save-reference`` writes the reference
beside the model card. The node compares the frames of a camera with the reference; see
:mod:`.drift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import TrustError
from ..model.card import ModelCard
from ..untrusted.onnx_file import hash_model
from ..untrusted.output_files import KEY, MARKER, write_file
from ..untrusted.regular_file import read_regular
from ..untrusted.terminal_text import one_line
from .tally import FrameFigures

SUFFIX = '.reference.json'
MAX_FILE = 32 << 20
"""Largest size of a reference file in bytes. A number takes less than 20 bytes in the file."""
MOST_FRAMES = 2000
"""Largest number of frames in a reference."""
MOST_NUMBERS = 1_000_000
"""Largest count of numbers in a reference. A frame has more numbers if there are more classes. So
with many classes, a reference has fewer than :data:`MOST_FRAMES` frames."""

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """The figures of the frames on which a model was evaluated.

    :param network: SHA-256 of the ONNX file.
    :param temperature: the number in the model card by which the scores are divided. The entropy
        and the margin of a pixel depend on this number. Entropy and margin measure how certain the
        network is; see :mod:`.tally`.
    :param frames: (n, features) float64, in the order of the frames. Each row has the numbers
        that :func:`features_of` returns.
    """

    model: str
    network: str
    temperature: float
    classes: tuple[str, ...]
    frames: Rows

    def save(self, path: Path, option: str = '') -> None:
        """Write the reference to a JSON file, and mark the file as written by trt_segmentation.

        :param option: command-line option with which the user named the file. An error message
            names this option. Empty if there is no such option.
        :raises OutputError: if the file cannot be written, or if ``path`` holds a file of another
            program.
        """
        tree = {KEY: MARKER, 'model': self.model, 'network': self.network,
                'temperature': self.temperature, 'classes': self.classes,
                'frames': [[round(number, 6) for number in row] for row in self.frames.tolist()]}
        write_file(path, (json.dumps(tree) + '\n').encode(), option)


def reference_path(card: ModelCard) -> Path | None:
    """Return the path of the reference beside the card. None if the card has no file."""
    return card.source and card.source.with_name(card.source.stem + SUFFIX)


def features_of(figures: FrameFigures) -> list[float] | None:
    """Return the numbers of a frame that a reference keeps.

    :returns: the share of each class, then entropy and margin. If the network gives class ids, the
        list has only the shares. None if the network gave no class to any sampled pixel.
    """
    if not figures.shares.any():
        return None
    certainty = () if figures.entropy is None or figures.margin_p5 is None else (
        figures.entropy, figures.margin_p5)
    return [*figures.shares.tolist(), *certainty]


def make_reference(card: ModelCard, figures: Sequence[FrameFigures]) -> Reference:
    """Make a reference from the figures of frames.

    If there are more frames than a reference may have, only every n-th frame is kept.

    :raises TrustError: if no frame has a labelled pixel.
    :raises EngineError: if the ONNX file cannot be read.
    """
    rows = [row for one in figures if (row := features_of(one))]
    if not rows:
        raise TrustError(f'the model {card.name} labels no pixel of these images, so no reference '
                         'can be made. Check the model card with `trt_seg inspect`')
    most = min(MOST_FRAMES, max(MOST_NUMBERS // len(rows[0]), 1))
    kept = np.array(rows)[::-(-len(rows) // most)]
    return Reference(card.name, hash_model(card.model), card.output.temperature, card.classes,
                     kept)


def load_reference(path: Path, card: ModelCard) -> Reference:
    """Read a reference, and check that the reference belongs to a model.

    :raises TrustError: if the file is missing or damaged, or if it belongs to another model.
    :raises EngineError: if the ONNX file cannot be read.
    """
    try:
        tree = json.loads(read_regular(path, MAX_FILE))
        if not isinstance(tree, dict) or tree.get(KEY) != MARKER:
            raise ValueError('the marker of trt_segmentation is missing')
        found = Reference(str(tree['model']), str(tree['network']), float(tree['temperature']),
                          tuple(map(str, tree['classes'])), _read_rows(tree['frames']))
    except FileNotFoundError:
        raise TrustError(f'the reference {path} does not exist. {_ADVICE}') from None
    # Huge numbers raise an OverflowError, and deeply nested lists raise a RecursionError.
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        reason = f'{error} is missing' if isinstance(error, KeyError) else one_line(str(error))
        raise TrustError(f'{path} is not a reference: {reason[:300]}. {_ADVICE}') from error
    if reason := _find_difference(found, card):
        raise TrustError(f'the reference {path} does not fit the model {card.name}: {reason}. '
                         f'{_ADVICE}')
    return found


_ADVICE = 'To write a new reference, run `trt_seg eval` with --save-reference'


def _read_rows(tree: Any) -> Rows:
    rows = np.array(tree, np.float64)
    if rows.size > MOST_NUMBERS:
        raise ValueError(f'`frames` has {rows.size} numbers; expected at most {MOST_NUMBERS}')
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f'`frames` has shape {rows.shape}; expected a row for each frame')
    if not ((rows >= 0) & (rows <= 1)).all():
        raise ValueError('`frames` has a number that is not from 0 to 1')
    return rows


def _find_difference(reference: Reference, card: ModelCard) -> str:
    """Return why a reference does not belong to a model. Empty if it belongs to the model."""
    count = len(card.classes)
    if reference.classes != card.classes:
        return (f'the names of its {len(reference.classes)} classes differ from the names of the '
                f'{count} classes in the card')
    if reference.frames.shape[1] not in (count, count + 2):
        return (f'its rows have {reference.frames.shape[1]} numbers; expected {count} or '
                f'{count + 2}')
    if reference.temperature != card.output.temperature:
        return (f'its temperature is {reference.temperature:g}, but the card says '
                f'{card.output.temperature:g}')
    if reference.network != hash_model(card.model):
        return f'{card.model} has changed since the reference was made'
    return ''
