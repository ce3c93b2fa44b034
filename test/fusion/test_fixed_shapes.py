# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A network gets a fixed shape, and its small constants are computed."""

import numpy as np
from onnx import helper, numpy_helper, TensorProto

from trt_segmentation.fusion.fixed_shapes import fix_shapes, infer_shapes


def network():
    """Make a network that turns an image into tokens with a computed shape, and scales them."""
    nodes = [
        helper.make_node('Identity', ['two'], ['number']),
        helper.make_node('Shape', ['image'], ['shape']),
        helper.make_node('Slice', ['shape', 'zero', 'number'], ['front']),
        helper.make_node('Constant', [], ['rest'], value=numpy_helper.from_array(
            np.array([-1], np.int64))),
        helper.make_node('Concat', ['front', 'rest'], ['sides'], axis=0),
        helper.make_node('Reshape', ['image', 'sides'], ['flat']),
        helper.make_node('Mul', ['flat', 'large'], ['result'])]
    image = helper.make_tensor_value_info('image', TensorProto.FLOAT, ['n', 3, 'h', 9])
    graph = helper.make_graph(
        nodes, 'net', [image],
        [helper.make_tensor_value_info('result', TensorProto.FLOAT, ['n', 3, 'p'])],
        [numpy_helper.from_array(np.array([value], np.int64), name)
         for name, value in (('zero', 0), ('two', 2))]
        + [numpy_helper.from_array(np.ones((1, 1, 72), np.float32), 'large')])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])


def test_only_the_nodes_that_read_the_image_are_left():
    model = network()
    # An old file lists its weights as inputs too.
    model.graph.input.append(helper.make_tensor_value_info('zero', TensorProto.INT64, [1]))
    assert infer_shapes(model)['image'] == (None, 3, None, 9)
    fix_shapes(model, {'image': (2, 3, 8, 9)})
    assert [node.op_type for node in model.graph.node] == ['Reshape', 'Mul']
    assert [value.name for value in model.graph.input] == ['image']
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert weights['sides'].tolist() == [2, 3, -1]
    shapes = infer_shapes(model)
    assert shapes['image'] == (2, 3, 8, 9) and shapes['flat'] == shapes['result'] == (2, 3, 72)


def test_a_node_with_a_large_input_or_at_the_output_stays():
    model = network()
    model.graph.node.append(helper.make_node('Add', ['large', 'large'], ['twice']))
    model.graph.node.append(helper.make_node('Identity', ['zero'], ['copy']))
    model.graph.node.append(helper.make_node('Add', ['zero', 'two'], ['small']))
    for name in ('copy', 'small'):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT64, [1]))
    fix_shapes(model, {'image': (2, 3, 8, 9)})
    assert [node.op_type for node in model.graph.node] == [
        'Reshape', 'Mul', 'Add', 'Identity', 'Add']
