# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read an ONNX file, simplify its graph, and run it on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ..errors import EngineError, GraphError
from ..untrusted.onnx_cut import cut_last_resize
from ..untrusted.onnx_file import hash_model, summarise

_DEPRECATED = {'GroupNormalization': 21}
"""Maps an operator to a version of the ONNX operator set (opset).

If a network has an older opset, ONNX's checker refuses this operator as deprecated.
"""


def load_model(path: Path, cut_output: str | None = None) -> onnx.ModelProto:
    """Read an ONNX file with its external data, and give every node a unique name.

    :param cut_output: name of a network output. The last Resize operator before this output is
        removed, see :func:`.onnx_cut.cut_last_resize`. An empty name means the only output of the
        network. If ``cut_output`` is None, no Resize is removed.
    :raises GraphError: if the file is missing or is not valid ONNX, or if
        :func:`.onnx_file.summarise` refuses it.
    """
    try:
        summarise(path)
    except EngineError as error:
        raise GraphError(str(error)) from error
    try:
        if cut_output is None:
            model = onnx.load(path)
        else:
            model = onnx.ModelProto()
            model.ParseFromString(cut_last_resize(memoryview(path.read_bytes()), cut_output))
            onnx.load_external_data_for_model(model, str(path.parent))
    except EngineError as error:
        raise GraphError(f'{path}: {error}') from error
    except Exception as error:      # the exceptions of protobuf and onnx have no common base
        raise GraphError(f'{path} cannot be read as ONNX: {error}') from error
    name_nodes(model)
    try:
        # onnx.checker accepts custom operators, which belong to an unknown domain. The function
        # check_model() in builder/check.py later reports each operator that is not supported.
        with _hide_deprecated(model):
            onnx.checker.check_model(model, full_check=False, skip_opset_compatibility_check=True)
    except onnx.checker.ValidationError as error:
        raise GraphError(f'{path} is not valid ONNX: {error}') from error
    return model


@contextmanager
def _hide_deprecated(model: onnx.ModelProto) -> Iterator[None]:
    """Hide deprecated nodes from ONNX's checker, because TensorRT can run these nodes.

    Inside the ``with`` block, these nodes have an unknown domain. The checker accepts every
    operator of an unknown domain.
    """
    hidden = [node for node in model.graph.node if node.op_type in _DEPRECATED
              and not node.domain and opset_version(model) < _DEPRECATED[node.op_type]]
    for node in hidden:
        node.domain = 'deprecated'
    if hidden:
        model.opset_import.append(onnx.helper.make_opsetid('deprecated', 1))
    try:
        yield
    finally:
        if hidden:
            model.opset_import.pop()
        for node in hidden:
            node.domain = ''


def name_nodes(model: onnx.ModelProto) -> None:
    """Rename each node that has no name, or the same name as an earlier node.

    The new name is ``<operator>_<position>``, with the position of the node in the graph.
    """
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f'{node.op_type}_{index}'
        seen.add(node.name)


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file and of all its external files, as hex digits.

    :raises GraphError: if a file cannot be read or is not ONNX.
    """
    try:
        return hash_model(path)
    except EngineError as error:
        raise GraphError(str(error)) from error


def opset_version(model: onnx.ModelProto) -> int:
    """Version of the standard operators; 0 if the model imports none."""
    return max((entry.version for entry in model.opset_import
                if entry.domain in ('', 'ai.onnx')), default=0)


def input_shapes(model: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    """Map each input that is not a weight to its shape. A dynamic dimension is a name or ``?``."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {value.name: tuple(
        dim.dim_value if dim.HasField('dim_value') and dim.dim_value > 0 else dim.dim_param or '?'
        for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input if value.name not in weights}


def simplify_model(model: onnx.ModelProto,
                   shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """Fold constants, fuse redundant nodes, and check that the network output stays the same.

    :param shapes: maps each input to a shape without dynamic dimensions, for this check.
    :returns: a new model. Fused nodes have new names.
    :raises GraphError: if the network output changed.
    """
    from onnxslim import slim
    slimmed: onnx.ModelProto = slim(deepcopy(model))
    name_nodes(slimmed)
    feeds = make_random_inputs(model, shapes)
    for name, before, after in zip((o.name for o in model.graph.output),
                                   run_model(model, feeds), run_model(slimmed, feeds)):
        scale = float(np.sqrt(np.mean(np.square(before, dtype=np.float64)))) or 1.0
        worst = float(np.max(np.abs(before.astype(np.float64) - after))) / scale
        # A new order of summation changes float32 values by about 1e-5. Integers must not change.
        if worst > (1e-3 if before.dtype.kind == 'f' else 0):
            raise GraphError(f'onnxslim changed output {name} by {worst:.2g} of its RMS. Build '
                             f'with --no-simplify')
    return slimmed


def make_random_inputs(model: onnx.ModelProto,
                       shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Make an array of noise for every input in ``shapes``. Each call makes the same noise."""
    rng = np.random.default_rng(0)
    dtypes = {value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
              for value in model.graph.input}
    return {name: (rng.standard_normal(shape) if dtypes[name].kind == 'f'
                   else rng.integers(0, 256, shape)).astype(dtypes[name])
            for name, shape in shapes.items()}


def run_model(model: onnx.ModelProto,
              feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Run a model on the CPU, with the basic optimisations of ONNX Runtime. Return its outputs.

    :param feeds: maps the name of an input to its array.
    :raises GraphError: if ONNX Runtime cannot run the model.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=['CPUExecutionProvider'])
        outputs: list[np.ndarray[Any, Any]] = session.run(None, dict(feeds))
    except Exception as error:      # the exceptions of ONNX Runtime have no public base
        raise GraphError(f'ONNX Runtime cannot run the network: {error}') from error
    return outputs
