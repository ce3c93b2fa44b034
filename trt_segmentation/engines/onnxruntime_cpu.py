# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the CPU: the engine for machines without a GPU."""

from __future__ import annotations

from pathlib import Path
import platform
import re
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_cut import cut_last_resize
from ..untrusted.onnx_file import OnnxSummary, summarise
from ..untrusted.onnx_graph import read_endings
from ..untrusted.regular_file import open_regular
from . import Identity

ERROR = 3
"""The severity of errors. ONNX Runtime logs no message below this severity. So it logs no
warnings, which only give details of optimisations."""


class OnnxRuntimeEngine:
    """A network on the CPU. It computes one output tensor from a batch of images.

    Only one thread at a time may call :meth:`run`. A process can have several engines.

    :param reason: why this engine was chosen. :attr:`identity` contains this text.
    :param threads: largest number of threads of one run; 0 for one thread per core.
    :raises EngineError: if the file is missing, is not an ONNX file, or does not fit the card.
    """

    signature: Signature
    identity: Identity

    def __init__(self, card: ModelCard, reason: str = '', threads: int = 0) -> None:
        began = perf_counter()
        self._path = card.model
        self._session = open_session(card.model, threads, read_network(card))
        try:
            self.signature = resolve_signature(
                *read_tensors(self._session), card.input, card.output, len(card.classes),
                read_endings(card.model))
        except EngineError as error:
            raise EngineError(
                f'{card.model} does not fit its model card {card.source or card.name}: {error}. '
                f'`trt_seg inspect {card.model}` prints a card that fits') from None
        self.identity = Identity(
            card.name, 'onnxruntime-cpu', onnxruntime.__version__,
            summarise(card.model).precision, cpu_name(), reason,
            opened_s=perf_counter() - began)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the network on a batch of any size.

        If the model has a fixed batch size, the network may run several times. If too few images
        are left for the last run, copies of the last image are added.

        :param batch: C-contiguous, with shape ``signature.input.shape(n)`` and the input's dtype.
        :returns: (n, …), as ``signature.output`` describes. The caller owns the array.
        :raises EngineError: if the run fails.
        """
        fixed = self.signature.input.batch
        if fixed is None or fixed == len(batch):
            return self._run(batch)
        filled = -len(batch) % fixed
        parts = np.concatenate([batch, np.repeat(batch[-1:], filled, axis=0)])
        outputs = [self._run(parts[i:i + fixed]) for i in range(0, len(parts), fixed)]
        return np.concatenate(outputs)[:len(batch)]

    def _run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        signature = self.signature
        if self._session is None:
            raise EngineError(f'the engine of {self._path.name} is closed')
        try:
            (output,) = self._session.run([signature.output.name], {signature.input.name: batch})
        except Exception as error:  # ONNX Runtime's errors have no public base class
            raise EngineError(
                f'{self._path.name} failed on input {"×".join(map(str, batch.shape))}: '
                f'{useful_line(error)}') from error
        array: npt.NDArray[Any] = output
        return array

    def close(self) -> None:
        """Free the network. A second call does nothing."""
        self._session = None


def open_session(path: Path, threads: int = 0, network: str | bytes = '') -> Any:
    """Load an ONNX file for the CPU.

    :param threads: largest number of threads of one run; 0 for one thread per core.
    :param network: the result of :func:`read_network`; empty to load the file as it is.
    :returns: an ``onnxruntime.InferenceSession``.
    :raises EngineError: if the file cannot be loaded.
    """
    summary = summarise(path)
    options = onnxruntime.SessionOptions()
    weights = give_weights(options, path, summary)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    # A thread that spins (waits in a busy loop) keeps a core busy. But the cameras, the
    # middleware and the postprocessing need this core too. On two idle cores, a run of the demo
    # model takes 25 ms without spinning and 22 ms with spinning. If other programs use the cores,
    # spinning makes a run two to three times slower.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = ERROR
    try:
        return onnxruntime.InferenceSession(
            network or str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime's errors have no public base class
        raise EngineError(
            f'{path} cannot be loaded by ONNX Runtime {onnxruntime.__version__}: '
            f'{useful_line(error)}. Export the file again for this version. If the file is '
            f'damaged, copy it again. `trt_seg inspect {path}` shows what it holds') from error
    finally:
        del weights     # by now, ONNX Runtime has its own copy


def read_network(card: ModelCard) -> str | bytes:
    """Return the network of a card in a form that ONNX Runtime can load.

    :returns: the path of the ONNX file. If the card sets ``cut_resize``, the function returns the
        bytes of an ONNX file without the last Resize of the network.
    :raises EngineError: if the card sets ``cut_resize``, but the last Resize cannot be removed.
    """
    if not card.output.cut_resize:
        return str(card.model)
    summarise(card.model)
    try:
        with open_regular(card.model) as file:
            return cut_last_resize(memoryview(file.read()), card.output.name)
    except (OSError, ValueError) as error:
        raise EngineError(f'{card.model} cannot be read: {error}') from error
    except EngineError as error:
        raise EngineError(f'{card.model}: {error}') from None


def give_weights(options: Any, path: Path, summary: OnnxSummary) -> list[bytes]:
    """Read the weight files of an ONNX file and give their bytes to ONNX Runtime.

    If ONNX Runtime does not get these bytes, it maps the files into memory. If another program
    shortens a mapped file, even hours later, the signal SIGBUS ends this process. An old version
    of ONNX Runtime cannot receive the bytes, so it maps the files.

    :returns: the bytes of each weight file. The caller must keep this list until the session
        is created.
    :raises EngineError: if a weight file cannot be read, or is shorter than its weights.
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
            raise EngineError(f'{path.parent / name} has {len(read[-1]):,} bytes now, but {path} '
                              f'needs {size:,} bytes. Another program shortened the file. Copy '
                              f'the file again')
    give(list(summary.external), read, list(map(len, read)))
    return read


def read_tensors(session: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Return the inputs and the outputs of a session."""
    def read(node: Any) -> Tensor:
        # The type is a text such as 'tensor(float)'. A dynamic dimension is None, a name or a
        # negative number.
        word = node.type.removeprefix('tensor(').removesuffix(')')
        dtype = {'float': 'float32', 'double': 'float64'}.get(word, word)
        return Tensor(node.name, dtype, tuple(
            n if isinstance(n, int) and n > 0 else None for n in node.shape))
    return [read(n) for n in session.get_inputs()], [read(n) for n in session.get_outputs()]


def useful_line(error: Exception) -> str:
    """Return the message of an ONNX Runtime error without status codes and source locations."""
    text = ' '.join(str(error).split())
    # A message can contain the message of another error. The last message gives the cause.
    text = re.sub(r'^.*\[ONNXRuntimeError\] : \d+ : \w+ : ', '', text)
    text = re.sub(r'^Load model from .*? failed: ?', '', text)
    text = re.sub(r'^\S+\.(?:cc|h):\d+ .*?(?:\) |\w+ (?=[A-Z]))', '', text)
    return (text if len(text) <= 600 else text[:600] + '…').rstrip('. ')


def cpu_name() -> str:
    """Return the processor's name from the operating system."""
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            key, _, value = line.partition(':')
            if key.strip() in ('model name', 'Model') and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
