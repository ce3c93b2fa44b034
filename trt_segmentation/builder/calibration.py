# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the INT8 ranges of a network on real frames, and store them for later builds.

A range is the smallest and the largest value of an activation. Before the ranges are measured, the
channels of some convolutions are balanced: each channel is multiplied by a power of two, so that
INT8 rounds it less. See int8/channel_balance.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..errors import GraphError
from ..fp16.large_values import LargestValues
from ..int8.channel_balance import balance_channels, ChannelMaxima, Exponents
from ..int8.histograms import collect_histograms
from ..untrusted.output_files import write_json
from ..untrusted.regular_file import read_regular
from ..untrusted.signed_files import load_signed, SignedFile, store_signed
from ..untrusted.terminal_text import did_you_mean, short, unprintable
from .precision import activations_read_by, quantisable_nodes, Ranges
from .settings import METHODS

MAX_FILE = 64 << 20
"""Largest size of a file of ranges, in bytes. One activation needs about 100 bytes."""
MAX_EXPONENT = 16
"""Largest absolute exponent of a power of two in a file. Measured exponents are smaller."""
Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Calibration:
    """Ranges of a network's activations, and a record of how they were measured.

    :param ranges: maps each activation's tensor name to its smallest and largest value.
    :param method: a key of :data:`.settings.METHODS`.
    :param data: digest of the input tensors of the measurement.
    :param frames: number of these input tensors.
    :param keep_fp16: name patterns of the nodes that are too sensitive for INT8.
    :param model: digest of the ONNX file, see :func:`.graph.model_digest`; empty if unknown.
    :param above_fp16: the tensors with a value that FP16 cannot hold. Maps the name of each such
        tensor to its largest absolute value. None if nobody looked for such tensors, because an
        older version of this package wrote the file.
    :param balance: the exponents of the powers of two; see :data:`.channel_balance.Exponents`. The
        ranges belong to the balanced network.
    """

    ranges: Ranges
    method: str
    data: str
    frames: int
    keep_fp16: tuple[str, ...] = ()
    model: str = ''
    above_fp16: Mapping[str, float] | None = None
    balance: Exponents = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of the fields that change the result of an INT8 build."""
        tree = [sorted(self.ranges.items()), sorted(self.keep_fp16),
                *([sorted(self.above_fp16)] if self.above_fp16 else []),
                *([sorted(self.balance.items())] if self.balance else [])]
        return hashlib.sha256(json.dumps(tree).encode()).hexdigest()

    @property
    def fp16_digest(self) -> str:
        """Digest of the only field that changes an FP16 build: the names in ``above_fp16``.

        The digest is empty if there are no such names.
        """
        if not self.above_fp16:
            return ''
        return hashlib.sha256(json.dumps(sorted(self.above_fp16)).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the calibration as JSON. The robot needs this file beside the ONNX file.

        :raises OutputError: if the file cannot be written, or if another program wrote the old
            file at this path.
        """
        write_json(path, asdict(self))


def load_calibration(path: Path) -> Calibration:
    """Read a file that :meth:`Calibration.save` wrote.

    :raises GraphError: if the file is missing or is not a calibration.
    """
    try:
        tree = json.loads(read_regular(path, MAX_FILE))
        ranges = {_check_name(name): (float(low), float(high))
                  for name, (low, high) in tree['ranges'].items()}
        balance = {_check_name(name): [_check_exponent(value) for value in exponents]
                   for name, exponents in tree.get('balance', {}).items()}
        for name, (low, high) in ranges.items():
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f'the range of {name!r} is {low} to {high}; expected two '
                                 f'finite numbers, the smaller number first')
        above = tree.get('above_fp16')
        return Calibration(ranges, _check_name(tree['method']), _check_name(tree['data']),
                           int(tree['frames']), tuple(map(_check_name, tree['keep_fp16'])),
                           _check_name(tree['model']),
                           None if above is None else {
                               _check_name(name): float(value) for name, value in above.items()},
                           balance)
    except FileNotFoundError:
        raise GraphError(f'the calibration {path} does not exist. To write it, run `trt_seg '
                         f'build` with --calibrate BAG') from None
    # Huge numbers raise OverflowError. Deeply nested lists raise RecursionError.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError) as error:
        raise GraphError(f'{path} is not a calibration: {short(error, 300)}. To write it again, '
                         f'run `trt_seg build` with --calibrate BAG') from error


def _check_name(text: Any) -> str:
    if not isinstance(text, str) or unprintable(text):
        raise ValueError(f'{short(text)} is not a name')
    return text


def _check_exponent(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > MAX_EXPONENT:
        raise ValueError(f'{short(value)} is not an exponent of a balanced channel; expected a '
                         f'whole number from {-MAX_EXPONENT} to {MAX_EXPONENT}')
    return value


@dataclass(frozen=True)
class MeasuredActivations:
    """The ranges of a network's activations with every calibration method.

    :param ranges: maps each method to its ranges. :class:`Calibration` explains the other fields.
    """

    ranges: Mapping[str, Ranges]
    data: str
    frames: int
    above_fp16: Mapping[str, float]
    balance: Exponents

    def calibration(self, method: str) -> Calibration:
        """Return the calibration with one method, which is a key of ``ranges``."""
        return Calibration(self.ranges[method], method, self.data, self.frames,
                           above_fp16=self.above_fp16, balance=self.balance)


def measure_activations(model: onnx.ModelProto, feeds: Callable[[], Iterator[Tensor]],
                        folder: Path | None = None,
                        progress: Callable[[int], None] = lambda done: None
                        ) -> MeasuredActivations:
    """Measure the range of every activation that may become INT8.

    The function also finds the values that are too large for FP16.

    :param model: simplified FP32 network with one input.
    :param feeds: returns the input tensors. Each call must return the same tensors. The first
        call is for the digest of the tensors. If ``folder`` has no earlier measurement, two more
        calls are for a new measurement.
    :param folder: a folder for measurements; None to store no measurement. Other users must not
        be able to write to the folder, see :func:`.signed_files.make_private_folder`.
    :param progress: called after each frame with the number of frames measured so far.
    :raises GraphError: if there are no frames, or if ONNX Runtime cannot run the network.
    """
    data, count = _digest_tensors(feeds())
    if not count:
        raise GraphError('the calibration has no frames. Give a recording with frames')
    kept = None
    if folder is not None:
        digest = hashlib.sha256(model.SerializeToString(deterministic=True) + data.encode()
                                + b' by every method, balanced').hexdigest()
        kept = folder / f'{digest[:40]}.scales'
    if kept is not None and (signed := load_signed(kept)[0]) is not None:
        tree = json.loads(signed.data)
        ranges = {method: {name: (low, high) for name, (low, high) in found.items()}
                  for method, found in tree['ranges'].items()}
        return MeasuredActivations(ranges, data, count, tree['above_fp16'], tree['balance'])
    largest, maxima = LargestValues(model), ChannelMaxima(model)
    for tensor in feeds():
        largest.measure(tensor)
        maxima.measure(tensor)
    above, balance = largest.above_fp16(), maxima.exponents()
    found = measure_ranges(balance_channels(model, balance), feeds(), METHODS, progress)
    if kept is not None:
        tree = {'ranges': found, 'above_fp16': above, 'balance': balance}
        store_signed(kept, SignedFile(json.dumps(tree).encode()), {})
    return MeasuredActivations(found, data, count, above, balance)


def calibrate(model: onnx.ModelProto, feeds: Callable[[], Iterator[Tensor]], method: str,
              folder: Path | None = None, progress: Callable[[int], None] = lambda done: None
              ) -> Calibration:
    """Call :func:`measure_activations`, and return the calibration with one method.

    :param method: one of :data:`.settings.METHODS`.
    :raises GraphError: if the method is unknown; see also :func:`measure_activations`.
    """
    if method not in METHODS:
        near = did_you_mean(method, METHODS)
        raise GraphError(f'there is no calibration method {method!r}{near or "."} The methods are '
                         f'{", ".join(METHODS)}')
    return measure_activations(model, feeds, folder, progress).calibration(method)


def measure_ranges(model: onnx.ModelProto, tensors: Iterable[Tensor], methods: Iterable[str],
                   progress: Callable[[int], None] = lambda done: None
                   ) -> dict[str, dict[str, tuple[float, float]]]:
    """Run the network on every tensor and measure the ranges of its activations.

    :param model: simplified FP32 network with one input.
    :param methods: keys of :data:`.histograms.LIMITS`.
    :param progress: called after each tensor with the number of tensors measured so far.
    :returns: maps each method to its :data:`.precision.Ranges`.
    """
    names = activations_read_by(model, quantisable_nodes(model))
    histograms = collect_histograms(model, names, tensors, progress)
    return {method: {name: found.range(method) for name, found in histograms.items()}
            for method in methods}


def _digest_tensors(tensors: Iterable[Tensor]) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    for tensor in tensors:
        count += 1
        digest.update(str(tensor.shape).encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest(), count
