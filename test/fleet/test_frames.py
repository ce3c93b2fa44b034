# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""read_shard() puts the images of a bag into the memory of the pipeline."""

import numpy as np
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag

from trt_segmentation.bags.reader import COMPRESSED
from trt_segmentation.fleet.frames import read_shard
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.shards import Shard
from trt_segmentation.memory import PageMemory
from trt_segmentation.sources.image import SourceImage
from trt_segmentation.threads.ordered_map import open_pool


@pytest.mark.parametrize('kind', ['raw', 'jpeg', 'png'])
def test_each_image_lies_in_memory_of_its_own(tmp_path, kind):
    drawn, topic = pictures(6), TOPIC if kind == 'raw' else TOPIC + '/compressed'
    messages = image_messages(drawn) if kind == 'raw' else [
        Message(topic, COMPRESSED, FIRST + i, compressed(picture, kind, FIRST + i))
        for i, picture in enumerate(drawn)]
    path = write_bag(tmp_path / 'bag', messages)
    (recording,) = find_recordings([str(path)])
    shard = Shard(recording, topic, 0, 0, 1 << 62, 6)
    places = []

    def allocate(nbytes):
        places.append(PageMemory(nbytes))
        return places[-1]

    with open_pool('shard', 2) as pool:
        placed = list(read_shard(shard, path, allocate, pool))
    others = list(read_shard(shard, path))
    assert len(placed) == len(others) == len(places) == 6
    for (frame, image), (expected_frame, expected) in zip(placed, others):
        assert frame == expected_frame
        assert isinstance(image, SourceImage) and isinstance(expected, SourceImage)
        np.testing.assert_array_equal(image.image, expected.image)
        assert image.image.flags.c_contiguous and image.image.flags.writeable
        owners = [place for place in places if np.shares_memory(image.image, place.view)]
        assert len(owners) == 1
        places.remove(owners[0])
    assert not places
