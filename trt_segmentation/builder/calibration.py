# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the INT8 ranges of a network on real frames, and store them for later builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
import hashlib
import io
import json
import math
from pathlib import Path
import tempfile
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from ..errors import GraphError
from ..fp16.large_values import LargestValues
from ..fp16.tensor_types import add_types
from ..untrusted.output_files import write_json
from ..untrusted.regular_file import read_regular
from ..untrusted.signed_files import load_signed, SignedFile, store_signed
from ..untrusted.terminal_text import did_you_mean, short, unprintable
from .precision import activations_read_by, quantisable_nodes, Ranges
from .settings import METHODS

EXTRA_OPTIONS = {'percentile': {'percentile': 99.99}}
"""Options of a method. 99.99 % ignores more values than ONNX Runtime's default of 99.999 %."""

MAX_FILE = 64 << 20
"""Largest size of a file of ranges, in bytes. One activation needs about 100 bytes."""
Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Calibration:
    """Ranges of a network's activations, and a record of how they were measured.

    :param ranges: maps each activation's tensor name to its smallest and largest value.
    :param method: a key of :data:`.settings.METHODS`.
    :param data: digest of the input tensors of the measurement.
    :param frames: number of these input tensors.
    :param keep_fp16: patterns of the names of nodes that are too sensitive for INT8.
    :param model: digest of the ONNX file, see :func:`.graph.model_digest`; empty if unknown.
    :param above_fp16: the tensors with a value that FP16 cannot hold. Maps the name of each such
        tensor to its largest absolute value. None if nobody looked for such tensors, because an
        older version of this package wrote the file.
    """

    ranges: Ranges
    method: str
    data: str
    frames: int
    keep_fp16: tuple[str, ...] = ()
    model: str = ''
    above_fp16: Mapping[str, float] | None = None

    @property
    def digest(self) -> str:
        """Digest of the fields that an INT8 plan depends on, for an engine key."""
        tree = [sorted(self.ranges.items()), sorted(self.keep_fp16),
                *([sorted(self.above_fp16)] if self.above_fp16 else [])]
        return hashlib.sha256(json.dumps(tree).encode()).hexdigest()

    @property
    def fp16_digest(self) -> str:
        """Digest of the names in ``above_fp16``, for an engine key; empty without names."""
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
        for name, (low, high) in ranges.items():
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f'the range of {name!r} is {low} to {high}; expected two '
                                 f'finite numbers, the smaller number first')
        above = tree.get('above_fp16')
        return Calibration(ranges, _check_name(tree['method']), _check_name(tree['data']),
                           int(tree['frames']), tuple(map(_check_name, tree['keep_fp16'])),
                           _check_name(tree['model']),
                           None if above is None else {
                               _check_name(name): float(value) for name, value in above.items()})
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


def calibrate(model: onnx.ModelProto, feeds: Callable[[], Iterator[Tensor]], method: str,
              folder: Path | None = None, progress: Callable[[int], None] = lambda done: None
              ) -> Calibration:
    """Measure the range of every activation that may become INT8, and find values above FP16.

    :param model: simplified FP32 network with one input.
    :param feeds: returns the input tensors, the same tensors at each call. ``feeds`` is called
        once for the digest of the tensors. If ``folder`` has no earlier measurement, ``feeds`` is
        called again for the measurement.
    :param method: the method ``minmax`` covers every value. The methods ``entropy`` and
        ``percentile`` ignore rare extreme values, so that the INT8 steps are smaller.
    :param folder: a folder for measurements; None to store no measurement. Other users must not
        be able to write to the folder, see :func:`.signed_files.make_private_folder`.
    :param progress: called after each frame with the number of frames measured.
    :raises GraphError: if there are no frames, or if the method is unknown.
    """
    if method not in METHODS:
        near = did_you_mean(method, METHODS)
        raise GraphError(f'there is no calibration method {method!r}{near or "."} The methods are '
                         f'{", ".join(METHODS)}')
    data, count = _digest_tensors(feeds())
    if not count:
        raise GraphError('the calibration has no frames. Give a recording with frames')
    kept = _kept_file(folder, model, data, method)
    if kept is not None and (signed := load_signed(kept)[0]) is not None:
        measured = json.loads(signed.data)
        ranges = {name: (low, high) for name, (low, high) in measured['ranges'].items()}
        above = measured['above_fp16']
    else:
        largest = LargestValues(model)
        ranges = measure_ranges(model, largest.watch(feeds()), method, progress)
        above = largest.above_fp16()
        if kept is not None:
            text = json.dumps({'ranges': ranges, 'above_fp16': above})
            store_signed(kept, SignedFile(text.encode()), {})
    return Calibration(ranges, method, data, count, above_fp16=above)


def measure_ranges(model: onnx.ModelProto, tensors: Iterable[Tensor], method: str,
                   progress: Callable[[int], None] = lambda done: None
                   ) -> dict[str, tuple[float, float]]:
    """Run the network on every tensor and measure the ranges of its activations.

    :param model: simplified FP32 network with one input.
    :param method: a key of :data:`.settings.METHODS`.
    :param progress: called after each tensor with the number of tensors measured.
    :returns: a mapping from each activation's tensor name to its smallest and largest value.
    """
    nodes = quantisable_nodes(model)
    wanted = set(activations_read_by(model, nodes))
    kinds = sorted({node.op_type for node in model.graph.node if node.name in set(nodes)})
    name = model.graph.input[0].name
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        path = Path(scratch) / 'model.onnx'
        onnx.save(add_types(model), path)       # the calibrator ignores tensors without a type
        calibrator = create_calibrator(
            str(path), kinds, str(Path(scratch) / 'augmented.onnx'),
            CalibrationMethod[METHODS[method]],
            extra_options={'symmetric': True, **EXTRA_OPTIONS.get(method, {})})
        for done, tensor in enumerate(tensors, 1):
            # During one call, the calibrator keeps all activations in memory. So each call gets
            # only one tensor. The None after the tensor tells the calibrator that the data ends.
            feeds = iter([{name: tensor}])
            calibrator.collect_data(SimpleNamespace(get_next=partial(next, feeds, None)))
            progress(done)
        measured = calibrator.compute_data()
    return {key: _bounds(value.range_value) for key, value in measured.items() if key in wanted}


def _bounds(values: tuple[Any, Any]) -> tuple[float, float]:
    low, high = (float(np.asarray(value).reshape(-1)[0]) for value in values)
    return low, high


def _digest_tensors(tensors: Iterable[Tensor]) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    for tensor in tensors:
        count += 1
        digest.update(str(tensor.shape).encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest(), count


def _kept_file(folder: Path | None, model: onnx.ModelProto, data: str,
               method: str) -> Path | None:
    if folder is None:
        return None
    digest = hashlib.sha256(model.SerializeToString(deterministic=True) + data.encode()
                            + method.encode() + b' with above_fp16')
    return folder / f'{digest.hexdigest()[:40]}.scales'
