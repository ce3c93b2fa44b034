# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run engines of the simulated TensorRT in memory of the host."""

import ctypes

import numpy as np
from onnx import helper, numpy_helper
import onnxruntime
import segmentation_networks

CLASSES = segmentation_networks.CLASSES
STREAM = 77
SHAPES = ('64x96/64x96/128x192', '1/2/4')


class Memory:
    """Allocates aligned host memory. ``blocks`` has the memory that is not freed yet."""

    def __init__(self):
        self.blocks = {}

    def allocate(self, size):
        block = ctypes.create_string_buffer(size + 256)
        address = -(-ctypes.addressof(block) // 256) * 256
        self.blocks[address] = block
        return address

    def free(self, address):
        del self.blocks[address]

    def sizes(self):
        """Return the size of each block in bytes, in ascending order."""
        return sorted(len(block) - 256 for block in self.blocks.values())


def make_plan(trt, card, sizes=SHAPES[0], batch=SHAPES[1]):
    from trt_segmentation.builder.prepare import read_graph
    from trt_segmentation.builder.settings import Recipe
    recipe = Recipe('fp32', sizes, batch)
    return trt.open_engine.build_graph(read_graph(card, recipe), recipe,
                                       trt.build.BuildOptions())[0]


def add_scatter(model):
    """Let a network write one value of its logits with ScatterElements, which is a plugin."""
    graph = model.graph
    graph.node[-1].output[0] = 'unscattered'
    graph.initializer.extend([
        numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.int64), 'scatter.index'),
        numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), 'scatter.value')])
    graph.node.append(helper.make_node(
        'ScatterElements', ['unscattered', 'scatter.index', 'scatter.value'], ['logits'],
        name='scatter'))
    return model


def bind(engine, memory, image):
    """Bind an engine to tensors of its own. Return the binding, and a function for the output."""
    image = np.ascontiguousarray(image)
    tensor = memory.allocate(image.nbytes)
    ctypes.memmove(tensor, image.ctypes.data, image.nbytes)
    shape = engine.output_shape(len(image))
    size = int(np.prod(shape)) * 4
    output = memory.allocate(size)
    binding = engine.bind(len(image), tensor, output)

    def read_output():
        return np.frombuffer(ctypes.string_at(output, size), np.float32).reshape(shape)
    return binding, read_output


def run(engine, memory, image):
    """Return the network output for an image, (n, 3, 64, 96) float32."""
    binding, read_output = bind(engine, memory, image)
    binding.enqueue(STREAM)
    return read_output()


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 64, 96)).astype(np.float32)


def expected(model, image):
    session = onnxruntime.InferenceSession(str(model), providers=['CPUExecutionProvider'])
    return session.run(None, {'image': image})[0]
