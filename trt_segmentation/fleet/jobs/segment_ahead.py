# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments images, and processes the results in other threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from ...segmented_image import SegmentedImage
from ...segmenter import Segmenter
from ...sources.image import AnyImage, BadImage
from ...threads.ordered_map import map_ahead

Item = TypeVar('Item')
Result = TypeVar('Result')


def segment_ahead(segmenter: Segmenter, items: Generator[tuple[Item, AnyImage], None, None],
                  work: Callable[[Item, SegmentedImage | BadImage], Result],
                  pool: ThreadPoolExecutor) -> Generator[Result, None, None]:
    """Segment images, and yield the result of ``work`` for each image, in order.

    :param items: pairs of an item and its image. An item is any object that ``work`` needs.
        Another thread reads and closes this generator.
    :param work: called with the item of an image and the segmented image. If the image cannot be
        segmented, ``work`` gets a BadImage with the reason.
    :param pool: the threads that call ``work``.
    """
    waiting: deque[Item] = deque()

    def images() -> Iterator[AnyImage]:
        with closing(items):
            for item, image in items:
                waiting.append(item)
                yield image

    def pairs() -> Iterator[tuple[Item, SegmentedImage | BadImage]]:
        with closing(segmenter.segment_images(images())) as answers:
            for answer in answers:
                yield waiting.popleft(), answer

    with closing(map_ahead(lambda pair: work(*pair), pairs(), pool=pool)) as results:
        yield from results
