# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""INT8 ranges from real frames, measured by ONNX Runtime and kept for the next build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
import hashlib
import io
import json
import math
from pathlib import Path
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from ..errors import GraphError
from ..untrusted.output_files import write_json
from ..untrusted.regular_file import read_regular
from ..untrusted.signed_files import load_signed, SignedFile, store_signed
from ..untrusted.terminal_text import did_you_mean, short, unprintable
from .precision import activations, quantisable, Ranges

METHODS = {'entropy': CalibrationMethod.Entropy, 'minmax': CalibrationMethod.MinMax,
           'percentile': CalibrationMethod.Percentile}
EXTRA = {'percentile': {'percentile': 99.99}}
"""ONNX Runtime's own 99.999 spares a handful of pixels a frame."""

MAX_FILE = 64 << 20
"""Bytes of a file of ranges; an activation takes about a hundred."""
Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Calibration:
    """Ranges of a network's activations, and what they were measured on.

    :param ranges: smallest and largest value by tensor name.
    :param method: a key of :data:`METHODS`.
    :param data: digest of the tensors fed.
    :param frames: how many there were.
    :param keep_fp16: patterns of nodes that turned out too sensitive for INT8.
    :param model: digest of the ONNX file, :func:`.graph.model_digest`; '' where not kept.
    """

    ranges: Ranges
    method: str
    data: str
    frames: int
    keep_fp16: tuple[str, ...] = ()
    model: str = ''

    @property
    def digest(self) -> str:
        """For an engine key: what is in it counts, not how it came about."""
        what = json.dumps([sorted(self.ranges.items()), sorted(self.keep_fp16)])
        return hashlib.sha256(what.encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write it as JSON, to be taken to the robot beside the ONNX file.

        :raises OutputError: if the file cannot be written or is not ours.
        """
        write_json(path, asdict(self))


def load_calibration(path: Path) -> Calibration:
    """Read what :meth:`Calibration.save` wrote.

    :raises GraphError: naming the file, where it is missing or something else.
    """
    try:
        tree = json.loads(read_regular(path, MAX_FILE))
        ranges = {_name(name): (float(low), float(high))
                  for name, (low, high) in tree['ranges'].items()}
        for name, (low, high) in ranges.items():
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f'the range of {name!r} is {low} to {high}')
        return Calibration(ranges, _name(tree['method']), _name(tree['data']),
                           int(tree['frames']), tuple(map(_name, tree['keep_fp16'])),
                           _name(tree['model']))
    except FileNotFoundError:
        raise GraphError(f'{path} is not there; `trt_seg build` writes it when it calibrates, '
                         f'with --calibrate BAG') from None
    # OverflowError: a number beyond those of a float; RecursionError: lists of lists of lists
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError) as error:
        raise GraphError(f'{path} is no calibration: {short(error, 300)}. `trt_seg build` writes '
                         f'it anew with --calibrate BAG') from error


def _name(text: Any) -> str:
    if not isinstance(text, str) or unprintable(text):
        raise ValueError(f'{short(text)} in the place of a name')
    return text


def calibrate(model: onnx.ModelProto, feeds: Callable[[], Iterator[Tensor]], method: str,
              folder: Path | None = None, progress: Callable[[int], None] = lambda done: None
              ) -> Calibration:
    """Measure the range of every activation INT8 could be used for.

    :param model: simplified, FP32, with one input.
    :param feeds: gives the input tensors, the same each time it is called; they are read once
        to be hashed, and once more where no earlier measurement of them is in ``folder``.
    :param method: ``minmax`` covers every value seen; ``entropy`` and ``percentile`` cut rare
        extremes off, for finer steps in between.
    :param folder: where measurements are kept; a trusted one, see :mod:`..untrusted.signed_files`.
    :param progress: called with the frames measured so far.
    :raises GraphError: where there are no frames, or no such method.
    """
    if method not in METHODS:
        near = did_you_mean(method, METHODS)
        raise GraphError(f'calibration method {method!r}{near or "."} Known: {", ".join(METHODS)}')
    data, count = _digest(feeds())
    if not count:
        raise GraphError('there are no frames to calibrate on')
    kept = _kept_file(folder, model, data, method)
    if kept is not None and (plan := load_signed(kept)[0]) is not None:
        ranges = {name: (low, high) for name, (low, high) in json.loads(plan.data).items()}
    else:
        ranges = measure(model, feeds(), method, progress)
        if kept is not None:
            store_signed(kept, SignedFile(json.dumps(ranges).encode()), {})
    return Calibration(ranges, method, data, count)


def measure(model: onnx.ModelProto, tensors: Iterable[Tensor], method: str,
            progress: Callable[[int], None] = lambda done: None) -> dict[str, tuple[float, float]]:
    """Run the network on every tensor and measure its activations; holds one frame's at a time."""
    nodes = quantisable(model)
    wanted = set(activations(model, nodes))
    kinds = sorted({node.op_type for node in model.graph.node if node.name in set(nodes)})
    name = model.graph.input[0].name
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        path = Path(scratch) / 'model.onnx'
        onnx.save(model, path)
        calibrator = create_calibrator(
            str(path), kinds, str(Path(scratch) / 'augmented.onnx'), METHODS[method],
            extra_options={'symmetric': True, **EXTRA.get(method, {})})
        for done, tensor in enumerate(tensors, 1):
            # frame by frame: given all at once it would keep every activation of every frame
            calibrator.collect_data(_Feed({name: tensor}))
            progress(done)
        measured = calibrator.compute_data()
    return {key: _bounds(value.range_value) for key, value in measured.items() if key in wanted}


class _Feed:
    """ONNX Runtime's CalibrationDataReader for one frame."""

    def __init__(self, feed: Mapping[str, Tensor]) -> None:
        self._feed: Mapping[str, Tensor] | None = feed

    def get_next(self) -> Mapping[str, Tensor] | None:
        feed, self._feed = self._feed, None
        return feed


def _bounds(values: tuple[Any, Any]) -> tuple[float, float]:
    low, high = (float(np.asarray(value).reshape(-1)[0]) for value in values)
    return low, high


def _digest(tensors: Iterable[Tensor]) -> tuple[str, int]:
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
    what = hashlib.sha256(model.SerializeToString(deterministic=True) + data.encode()
                          + method.encode())
    return folder / f'{what.hexdigest()[:40]}.scales'
