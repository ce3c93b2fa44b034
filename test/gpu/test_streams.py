# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The streams of a network that is opened beside another one have a lower priority."""

import pytest

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from cuda.bindings import driver

from trt_segmentation.engines.cuda_driver import call
from trt_segmentation.gpu.streams import Streams


def priorities(exchange):
    streams = Streams(2, exchange)
    try:
        return [call(driver.cuStreamGetPriority, stream)
                for stream in (streams.up, streams.down, *streams.compute)]
    finally:
        streams.close()


def test_each_exchange_opens_its_network_one_priority_lower(current):
    lowest, highest = call(driver.cuCtxGetStreamPriorityRange)
    levels = range(highest, lowest + 1)  # a smaller number is a higher priority
    for exchange, level in enumerate([*levels, highest]):
        assert priorities(exchange) == [lowest, lowest, level, level]
