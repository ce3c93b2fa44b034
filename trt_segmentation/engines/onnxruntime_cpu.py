# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: the engine that runs where there is no GPU."""

from __future__ import annotations

from pathlib import Path
import platform
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_file import OnnxSummary, summarise
from ..untrusted.onnx_graph import read_endings
from ..untrusted.regular_file import open_regular
from . import Identity

ERROR = 3
"""ONNX Runtime's severity; below it are remarks about graph optimisation."""


class OnnxRuntimeEngine:
    """A network on the CPU: a batch of tensors in, the answer's tensor out.

    One thread at a time calls :meth:`run`; several engines live side by side.

    :param reason: why this engine was taken, for :attr:`identity`.
    :param threads: threads one run may use; 0 for one a core.
    :raises EngineError: when the file is not there, is no ONNX, or does not fit the card.
    """

    signature: Signature
    identity: Identity

    def __init__(self, card: ModelCard, reason: str = '', threads: int = 0) -> None:
        self._path = card.model
        self._session = open_session(card.model, threads)
        try:
            self.signature = resolve_signature(
                *tensors(self._session), card.input, card.output, len(card.classes),
                read_endings(card.model))
        except EngineError as error:
            raise EngineError(
                f'{card.model} does not fit its model card {card.source or card.name}: {error}. '
                f'`trt_seg inspect {card.model}` prints a card that does') from None
        self.identity = Identity(
            card.name, 'onnxruntime-cpu', onnxruntime.__version__,
            summarise(card.model).precision, cpu_name(), reason)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Answer a batch.

        :param batch: C-contiguous, of ``signature.input.shape(n)`` and its dtype; n of any
            size. Where the model's own batch is fixed it runs in parts, the last filled up.
        :returns: (n, …) as ``signature.output`` describes, the caller's own.
        :raises EngineError: with ONNX Runtime's words.
        """
        fixed = self.signature.input.batch
        if fixed is None or fixed == len(batch):
            return self._run(batch)
        filled = -len(batch) % fixed
        parts = np.concatenate([batch, np.repeat(batch[-1:], filled, axis=0)])
        answers = [self._run(parts[i:i + fixed]) for i in range(0, len(parts), fixed)]
        return np.concatenate(answers)[:len(batch)]

    def _run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        signature = self.signature
        if self._session is None:
            raise EngineError(f'{self._path.name} was closed')
        try:
            (answer,) = self._session.run([signature.output.name], {signature.input.name: batch})
        except Exception as error:  # ONNX Runtime raises pybind types without a public base
            raise EngineError(
                f'{self._path.name} failed on input {"×".join(map(str, batch.shape))}: '
                f'{useful_line(error)}') from error
        array: npt.NDArray[Any] = answer
        return array

    def close(self) -> None:
        """Free the network; a second call does nothing."""
        self._session = None


def open_session(path: Path, threads: int = 0) -> Any:
    """Load an ONNX file for the CPU.

    :returns: an ``onnxruntime.InferenceSession``.
    :raises EngineError: saying what is wrong with the file and what to do.
    """
    summary = summarise(path)
    options = onnxruntime.SessionOptions()
    weights = give_weights(options, path, summary)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    # threads that wait by spinning take the cores from the cameras' and the middleware's, and
    # from the postprocessing; frames are not answered sooner with it
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = ERROR
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime raises pybind types without a public base
        raise EngineError(
            f'{path} cannot be loaded by ONNX Runtime {onnxruntime.__version__}: '
            f'{useful_line(error)}. Export it again for what is named here, or copy a damaged '
            f'file again; `trt_seg inspect {path}` says what is in it') from error
    finally:
        del weights     # ONNX Runtime has copied what it needs


def give_weights(options: Any, path: Path, summary: OnnxSummary) -> list[bytes]:
    """Read the weights beside an ONNX file and hand them to ONNX Runtime.

    ONNX Runtime itself maps such files: if another program shortens one, even hours later, the
    process ends (SIGBUS). A version without that call maps them.

    :param options: an ``onnxruntime.SessionOptions``.
    :returns: what was read; the caller keeps it until the session is made.
    :raises EngineError: if a file has become shorter than its weights.
    """
    give = getattr(options, 'add_external_initializers_from_files_in_memory', None)
    if give is None or not summary.external:
        return []
    read = []
    for name, size in summary.external.items():
        try:
            with open_regular(path.parent / name) as file:
                read.append(file.read(size) or b'')
        except OSError as error:
            raise EngineError(f'{path.parent / name} cannot be read: {error}') from error
        if len(read[-1]) < size:
            raise EngineError(f'{path.parent / name} has {len(read[-1]):,} bytes now, and {path} '
                              f'needs {size:,}: it was shortened meanwhile; copy it again')
    give(list(summary.external), read, list(map(len, read)))
    return read


def tensors(session: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of a session."""
    def read(node: Any) -> Tensor:
        # 'tensor(float)' and 'tensor(float16)'; an open side is None, a name or negative
        word = node.type.removeprefix('tensor(').removesuffix(')')
        dtype = {'float': 'float32', 'double': 'float64'}.get(word, word)
        return Tensor(node.name, dtype, tuple(
            n if isinstance(n, int) and n > 0 else None for n in node.shape))
    return [read(n) for n in session.get_inputs()], [read(n) for n in session.get_outputs()]


def useful_line(error: Exception) -> str:
    """What an ONNX Runtime exception says, without its status codes and source places."""
    text = ' '.join(str(error).split())
    # one status may wrap another; the innermost says what happened
    text = re.sub(r'^.*\[ONNXRuntimeError\] : \d+ : \w+ : ', '', text)
    text = re.sub(r'^Load model from .*? failed: ?', '', text)
    text = re.sub(r'^\S+\.(?:cc|h):\d+ .*?(?:\) |\w+ (?=[A-Z]))', '', text)
    return (text if len(text) <= 600 else text[:600] + '…').rstrip('. ')


def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            key, _, value = line.partition(':')
            if key.strip() in ('model name', 'Model') and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
