# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the bags for offline.py, and measures each part of ``trt_seg replay`` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from itertools import cycle, islice
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer

from trt_segmentation.bags.frames_ahead import read_frames
from trt_segmentation.bags.message_types import STORE
from trt_segmentation.bags.reader import BagReader, COMPRESSED, IMAGE
from trt_segmentation.bags.writer import add_topic, BagWriter
from trt_segmentation.commands.bench.measure import measure_throughput
from trt_segmentation.commands.replay import MAX_BATCH
from trt_segmentation.frame import Segmentation, Wanted
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.sources.image import as_frame
from trt_segmentation.street import Drive
from trt_segmentation.threads.ordered_map import CORES

HEIGHT, WIDTH = 1080, 1920
SEED = 4_000_000
DRAWN = 8
"""Number of images that are drawn. A bag repeats these images."""
TOPICS = {'raw': ('/camera/image_raw', IMAGE),
          'jpeg': ('/camera/image_raw/compressed', COMPRESSED)}
"""For each kind of bag: the image topic and its type."""
FIRST_NS = 1_700_000_000_000_000_000
_BLOCK = 8 << 20

Pixels = npt.NDArray[np.uint8]


class Part(NamedTuple):
    """One part of ``trt_seg replay``, such as a decoder.

    :param work: processes a list of inputs. Several threads call this function at the same time.
    :param threads: number of threads.
    :param batch: number of inputs in one call.
    """

    work: Callable[[Sequence[Any]], object]
    threads: int = CORES
    batch: int = 1


def draw_pictures() -> list[Pixels]:
    """Draw 1080p images of a drive, with the noise of a camera."""
    drive, rng = Drive(SEED, width=WIDTH, height=HEIGHT), np.random.default_rng(0)
    return [np.clip(drive.frame(15 * i).image + rng.normal(0, 3, (HEIGHT, WIDTH, 3)), 0, 255
                    ).astype(np.uint8) for i in range(DRAWN)]


def encode_jpegs(pictures: Sequence[Pixels]) -> list[bytes]:
    """Encode images as image_transport does, as JPEG with quality 95."""
    return [cv2.imencode('.jpg', picture)[1].tobytes() for picture in pictures]


def write_bags(folder: Path, pictures: Sequence[Pixels], count: int) -> dict[str, Path]:
    """Write ``count`` images at 30 Hz to a bag of raw images and to a bag of JPEG images."""
    folder.mkdir(exist_ok=True)
    for kind in TOPICS:
        write_bag(folder / kind, kind, pictures, [FIRST_NS + number * (10**9 // 30)
                                                  for number in range(count)])
    return {kind: folder / kind for kind in TOPICS}


def write_bag(path: Path, kind: str, pictures: Sequence[Pixels], stamps: Iterable[int]) -> None:
    """Write one image for each stamp (ns) to a bag of a kind in :data:`TOPICS`."""
    messages: list[Any] = [STORE.types[IMAGE](
        header=_header(0), height=HEIGHT, width=WIDTH, encoding='bgr8', is_bigendian=0,
        step=3 * WIDTH, data=np.ascontiguousarray(picture).reshape(-1)) for picture in pictures
    ] if kind == 'raw' else [STORE.types[COMPRESSED](
        header=_header(0), format='bgr8; jpeg compressed bgr8', data=np.frombuffer(data, np.uint8))
        for data in encode_jpegs(pictures)]
    topic, msgtype = TOPICS[kind]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = add_topic(writer, topic, msgtype)
        for time_ns, message in zip(stamps, cycle(messages)):
            message.header = _header(time_ns)
            writer.write(connection, time_ns, STORE.serialize_cdr(message, msgtype))


def _header(stamp_ns: int) -> Any:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return STORE.types['std_msgs/msg/Header'](
        stamp=STORE.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec),
        frame_id='camera')


def read_file(bag: Path) -> float:
    """Read the MCAP file of a bag with one thread. Return the rate in gigabytes per second."""
    (path,) = bag.glob('*.mcap')
    buffer, size, began = bytearray(_BLOCK), 0, perf_counter()
    with path.open('rb', buffering=0) as file:
        while read := file.readinto(buffer):
            size += read
    return size / 1e9 / (perf_counter() - began)


def write_file(folder: Path, size: int = 1 << 30) -> float:
    """Write a file and wait for the disk. Return the rate in gigabytes per second."""
    block, began = bytes(_BLOCK), perf_counter()
    with (folder / 'written').open('wb', buffering=0) as file:
        for _ in range(size // _BLOCK):
            file.write(block)
        os.fsync(file.fileno())
    took = perf_counter() - began
    (folder / 'written').unlink()
    return size / 1e9 / took


def read_bag(bag: Path, kind: str) -> float:
    """Read and decode a bag as ``trt_seg replay`` does. Return the frames per second."""
    with BagReader(bag) as reader:
        began = perf_counter()
        count = sum(1 for _ in read_frames(reader, [TOPICS[kind][0]]))
        return count / (perf_counter() - began)


def measure_part(part: Part, inputs: Sequence[Any], seconds: float) -> float:
    """Return how many inputs per second all threads of a part process together."""
    def work_on(first: int) -> int:
        source, done = cycle([*inputs[first:], *inputs[:first]]), 0
        while perf_counter() < end:
            part.work(list(islice(source, part.batch)))
            done += part.batch
        return done

    part.work(list(islice(cycle(inputs), part.batch)))
    with ThreadPoolExecutor(part.threads) as pool:
        began = perf_counter()
        end = began + seconds
        count = sum(pool.map(work_on, [i % len(inputs) for i in range(part.threads)]))
        return count / (perf_counter() - began)


def list_decoders(has_gpu: bool) -> Iterator[tuple[str, Part, Callable[[bytes], Pixels]]]:
    """Yield the name, the part and a function for each decoder whose package is installed.

    The function decodes one JPEG image, and returns (height, width, 3) uint8 BGR.
    """
    for name, make in (('OpenCV', _opencv), ('simplejpeg', _simplejpeg),
                       ('PyTurboJPEG', _turbojpeg)):
        try:
            decode = make()
        except (ImportError, RuntimeError, OSError) as error:
            print(f'{name} is not measured: {error}', file=sys.stderr)
        else:
            yield name, _one_by_one(decode), decode
    if has_gpu:
        yield from _nvimgcodec()


def _one_by_one(work: Callable[[Any], object]) -> Part:
    return Part(lambda some: work(some[0]))


def _opencv() -> Callable[[bytes], Pixels]:
    return lambda data: np.asarray(cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def _simplejpeg() -> Callable[[bytes], Pixels]:
    decode = import_module('simplejpeg').decode_jpeg
    return lambda data: np.asarray(decode(data, 'BGR'))


def _turbojpeg() -> Callable[[bytes], Pixels]:
    decoder = import_module('turbojpeg').TurboJPEG()
    return lambda data: np.asarray(decoder.decode(data))


def _nvimgcodec() -> Iterator[tuple[str, Part, Callable[[bytes], Pixels]]]:
    """Yield the decoder nvImageCodec, which decodes to GPU memory, for three batch sizes."""
    try:
        nvimgcodec = import_module('nvidia.nvimgcodec')
    except ImportError as error:
        print(f'nvImageCodec is not measured: {error}', file=sys.stderr)
        return
    decoder = nvimgcodec.Decoder()

    def decode_one(data: bytes) -> Pixels:
        return np.ascontiguousarray(np.asarray(decoder.decode([data])[0].cpu())[..., ::-1])

    for batch in (1, 8, 32):
        yield f'nvImageCodec to GPU memory, {batch} a call', Part(decoder.decode, 1, batch), \
            decode_one


def list_encoders(pictures: Sequence[Pixels]) -> Iterator[tuple[str, Part, list[Segmentation]]]:
    """Yield the name, the part and the inputs of each encoder of ``trt_seg replay``."""
    card = load_card('street')
    pipeline = open_pipeline(card, 'onnxruntime-cpu')
    results = []
    for picture in pictures:
        pipeline.submit([as_frame(picture)], Wanted(overlay=True))
        results += pipeline.collect()
    pipeline.close()
    with TemporaryDirectory() as folder:
        for name, overlay in (('label map as PNG', False), ('label map as PNG, overlay as JPEG',
                                                             True)):
            with BagWriter(Path(folder) / name, card, overlay=overlay, png=True, jpeg=overlay
                           ) as writer:
                yield name, _one_by_one(partial(writer.encode, 0)), results


def measure_pipeline(card: str, engine: str, gpu: str, seconds: str) -> tuple[float, str, str]:
    """Return the frames per second of the pipeline alone, and the names of its engine and device.

    The frames lie in memory that the pipeline reads without a copy.
    """
    pipeline = open_pipeline(load_card(card), engine, gpu=int(gpu), max_batch=MAX_BATCH)
    frames = []
    for picture in draw_pictures()[:4]:
        frame = as_frame(picture)
        if pipeline.allocate:
            view = pipeline.allocate(frame.size).view[:frame.size]
            view[:] = frame.data
            frame = as_frame(view.reshape(picture.shape))
        frames.append(frame)
    measure_throughput(pipeline, frames, Wanted(), 1.0, lambda done: None)
    rate = measure_throughput(pipeline, frames, Wanted(), float(seconds), lambda done: None)
    return rate, pipeline.identity.engine, pipeline.identity.device
