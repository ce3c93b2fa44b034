# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs before they reach TensorRT: read, checked with names and remedies, simplified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
import onnxruntime

from ..errors import EngineError, GraphError
from ..model.tensor import MOST_NUMBERS
from ..untrusted.onnx_file import OnnxSummary, summarise
from ..untrusted.regular_file import open_regular, read_pieces

OLDEST_OPSET = 13
"""Older exports lack per-channel quantisation and spell many operators in several nodes."""

CONTROL_FLOW = ('If', 'Loop', 'Scan')
DATA_DEPENDENT = ('NonZero', 'NonMaxSuppression', 'Unique', 'Compress')
RANDOM = ('RandomNormal', 'RandomUniform', 'RandomNormalLike', 'RandomUniformLike', 'Bernoulli',
          'Multinomial')


@dataclass(frozen=True)
class Finding:
    """One thing :func:`check` has to say.

    :param level: ``error`` stops a build, ``warning`` may cost speed or accuracy.
    :param where: the node's or tensor's name, '' for the whole file.
    """

    level: str
    where: str
    text: str

    def __str__(self) -> str:
        return f'{self.level}: {self.where + ": " if self.where else ""}{self.text}'


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file with its external data, and give every node a name of its own.

    :raises GraphError: when it is missing, no ONNX, hostile, or contradicts the ONNX
        specification.
    """
    _summary(path)
    try:
        model = onnx.load(path)
    except Exception as error:      # protobuf and onnx raise types without a common base
        raise GraphError(f'{path} cannot be read as ONNX: {error}') from error
    name_nodes(model)
    try:
        # a custom operator has no schema to check against; check() reports it by name
        onnx.checker.check_model(model, full_check=False, skip_opset_compatibility_check=True)
    except onnx.checker.ValidationError as error:
        raise GraphError(f'{path} is not valid ONNX: {error}') from error
    return model


def _summary(path: Path) -> OnnxSummary:
    try:
        return summarise(path)
    except EngineError as error:
        raise GraphError(str(error)) from error


def name_nodes(model: onnx.ModelProto) -> None:
    """Name nodes that have no name, or another's, as ``<operator>_<position>``."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f'{node.op_type}_{index}'
        seen.add(node.name)


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file and of every external file it takes weights from.

    :raises GraphError: as :func:`load_model`.
    """
    digest = hashlib.sha256()
    external = _summary(path).external
    try:
        _add_file(digest, path)
        for name in sorted(external):
            digest.update(name.encode())
            _add_file(digest, path.parent / name)
    except OSError as error:
        raise GraphError(f'{path} cannot be read: {error}') from error
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with open_regular(path) as file:
        for piece in read_pieces(file):
            digest.update(piece)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField('t'):
                yield attribute.t
            yield from attribute.tensors
            for inner in [attribute.g, *attribute.graphs]:
                yield from _tensors(inner)


def opset(model: onnx.ModelProto) -> int:
    """Version of the standard operators; 0 where none is imported."""
    return max((entry.version for entry in model.opset_import
                if entry.domain in ('', 'ai.onnx')), default=0)


def input_shapes(model: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    """Inputs that are no weights; a dynamic side is its name, or ``?``."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {value.name: tuple(
        dim.dim_value if dim.HasField('dim_value') and dim.dim_value > 0 else dim.dim_param or '?'
        for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input if value.name not in weights}


def check(model: onnx.ModelProto,
          supported: Callable[[str], bool] = lambda operator: True) -> list[Finding]:
    """Look for whatever makes a segmentation network fail or behave oddly as an engine.

    :param supported: whether the parser at hand knows an operator.
    :returns: errors first.
    """
    found = [*_check_file(model), *_check_inputs(model), *_check_weights(model)]
    for node in model.graph.node:
        found.extend(_check_node(node, supported))
    return sorted(found, key=lambda finding: finding.level != 'error')


def refuse_errors(findings: list[Finding]) -> None:
    """Raise what :func:`check` calls errors.

    :raises GraphError: with every error, one a line.
    """
    errors = [str(finding) for finding in findings if finding.level == 'error']
    if errors:
        raise GraphError('\n'.join(errors))


def _check_file(model: onnx.ModelProto) -> Iterator[Finding]:
    version = opset(model)
    if version < OLDEST_OPSET:
        yield Finding('warning', '', f'opset {version}; export again with opset_version=17 or '
                      f'newer, older ones spell operators in ways that fuse badly')
    if not model.graph.node:
        yield Finding('error', '', 'the graph has no nodes; export the network again')


def _check_inputs(model: onnx.ModelProto) -> Iterator[Finding]:
    inputs = input_shapes(model)
    if len(inputs) != 1:
        yield Finding('error', '', f'{len(inputs)} inputs ({", ".join(inputs) or "none"}); a '
                      f'segmentation network takes one image: export the others as constants')
    for name, shape in inputs.items():
        text = '×'.join(map(str, shape))
        if len(shape) != 4:
            yield Finding('error', name, f'shape {text} has {len(shape)} axes; expected 4, '
                          f'N×C×H×W or N×H×W×C')
        elif not {shape[1], shape[3]} & {1, 3}:
            yield Finding('error', name, f'shape {text} has neither 1 nor 3 channels; where '
                          f'they are dynamic, export with only batch, height and width so')
        elif math.prod(side for side in shape if isinstance(side, int)) > MOST_NUMBERS:
            yield Finding('error', name, f'shape {text} is larger than any camera image; export '
                          f'at the size of yours or below')


def _check_weights(model: onnx.ModelProto) -> Iterator[Finding]:
    for tensor in _tensors(model.graph):
        if tensor.data_type == TensorProto.DOUBLE:
            yield Finding('warning', tensor.name, 'holds 64-bit floats, which TensorRT turns '
                          'into 32 bits; call .float() before the export')
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
            bad = int(np.count_nonzero(~np.isfinite(numpy_helper.to_array(tensor))))
            if bad:
                yield Finding('error', tensor.name, f'{bad} weights are NaN or infinite; the '
                              f'training diverged, export an earlier checkpoint')


def _check_node(node: onnx.NodeProto, supported: Callable[[str], bool]) -> Iterator[Finding]:
    operator, attributes = node.op_type, _attributes(node)
    if node.domain not in ('', 'ai.onnx'):
        advice = ('; save the model before ONNX Runtime optimises it, or at most with '
                  'ORT_ENABLE_BASIC' if node.domain == 'com.microsoft' else
                  '; export without it, or load a TensorRT plugin of that name first')
        if not supported(operator):
            yield Finding('error', node.name, f'{node.domain}.{operator} is no standard '
                          f'operator{advice}')
    elif not supported(operator):
        yield Finding('error', node.name, f'TensorRT has no {operator}; replace it in the '
                      f'network before the export, or cut it off where it comes last')
    if operator in CONTROL_FLOW:
        yield Finding('warning', node.name, f'{operator} is control flow, which cannot be in a '
                      f'CUDA graph; export with fixed sizes so that it folds away')
    elif operator in DATA_DEPENDENT:
        yield Finding('warning', node.name, f'{operator} has an output whose size depends on '
                      f'the image, which cannot be in a CUDA graph')
    elif operator in RANDOM:
        yield Finding('error', node.name, f'{operator} makes answers differ from run to run; '
                      f'call model.eval() before the export')
    elif operator == 'BatchNormalization' and attributes.get('training_mode'):
        yield Finding('error', node.name, 'BatchNormalization is in training mode; call '
                      'model.eval() before the export')
    elif operator == 'Resize' and attributes.get('antialias'):
        yield Finding('error', node.name, 'Resize with antialias=1 is not in TensorRT; call '
                      'interpolate(…, antialias=False)')


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def operators(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator is used."""
    return Counter(node.op_type for node in model.graph.node)


def simplify(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """Fold constants and fuse what is redundant, and make sure the answer stayed the same.

    :param shapes: a full shape for every input, to compare at.
    :returns: a new model; fused nodes have new names.
    :raises GraphError: where the simplified network answers differently.
    """
    from onnxslim import slim
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    slimmed: onnx.ModelProto = slim(copy)
    name_nodes(slimmed)
    feeds = random_feeds(model, shapes)
    for name, before, after in zip((o.name for o in model.graph.output),
                                   answer(model, feeds), answer(slimmed, feeds)):
        scale = float(np.sqrt(np.mean(np.square(before, dtype=np.float64)))) or 1.0
        worst = float(np.max(np.abs(before.astype(np.float64) - after))) / scale
        # sums in another order move a float32 by about 1e-5; labels must not move at all
        if worst > (1e-3 if before.dtype.kind == 'f' else 0):
            raise GraphError(f'onnxslim changed output {name} by {worst:.2g} of its RMS; build '
                             f'with --no-simplify')
    return slimmed


def random_feeds(model: onnx.ModelProto,
                 shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """The same noise for every input each time, of a given shape and the input's dtype."""
    rng = np.random.default_rng(0)
    dtypes = {value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
              for value in model.graph.input}
    return {name: (rng.standard_normal(shape) if dtypes[name].kind == 'f'
                   else rng.integers(0, 256, shape)).astype(dtypes[name])
            for name, shape in shapes.items()}


def answer(model: onnx.ModelProto,
           feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Outputs of a model on the CPU, as written: ONNX Runtime fuses nothing.

    :raises GraphError: with ONNX Runtime's words.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=['CPUExecutionProvider'])
        answers: list[np.ndarray[Any, Any]] = session.run(None, dict(feeds))
    except Exception as error:      # ONNX Runtime raises pybind types without a public base
        raise GraphError(f'ONNX Runtime cannot run the network: {error}') from error
    return answers
