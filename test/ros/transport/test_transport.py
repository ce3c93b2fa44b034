# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the direct and the typed transport through real Fast DDS on loopback."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
import ctypes
import gc
import mmap
import os
from pathlib import Path
import random
import subprocess
import sys
import threading
import time
from typing import Any
import weakref

from builtin_interfaces.msg import Time
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as rclpy_c
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from trt_segmentation.errors import FrameError, TransportError
from trt_segmentation.frame import Frame
from trt_segmentation.memory import Allocate, Memory, PageMemory
from trt_segmentation.ros.transport import choose as transport_module
from trt_segmentation.ros.transport import librcl as librcl_module
from trt_segmentation.ros.transport.cdr import HEAD_ROOM
from trt_segmentation.ros.transport.choose import choose_transport, Transport
from trt_segmentation.ros.transport.direct_publisher import DirectPublisher
from trt_segmentation.ros.transport.direct_subscription import DirectSubscription
from trt_segmentation.ros.transport.librcl import Librcl
from trt_segmentation.ros.transport.qos import SubscriptionEvents
from trt_segmentation.serving.drop_reasons import NO_BUFFER, TAKE_ERROR

QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
TYPED = choose_transport('typed')
SIZES = [(2, 3), (480, 640), (1, 1), (1080, 1920), (3, 5), (720, 1280), (1081, 1921), (2, 2)]
"""Heights and widths. They grow and shrink, and some are odd numbers."""


class Ros:
    """A separate ROS context with one node. The callbacks of the node run while a test waits."""

    def __init__(self, domain: int) -> None:
        self.domain = domain
        self.topic = f'image_{random.getrandbits(60)}'  # other processes may use this domain too
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node('transport_test', context=self.context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def until(self, condition: Callable[..., Any], seconds: float = 30.0) -> None:
        """Run callbacks until a condition holds. The time limit only stops a test with a bug."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'nothing came'
            self.executor.spin_once(timeout_sec=0.05)

    def settle(self) -> None:
        """Run the callbacks that are ready now or a little later."""
        for _ in range(3):
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ros]:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    ros = Ros(random.randrange(1, 100))
    yield ros
    ros.close()


@pytest.fixture(scope='module')
def direct() -> Transport:
    return choose_transport('direct')


class Got:
    """Copies of the images that a subscription delivered, and its reasons for drops."""

    def __init__(self, offer: Callable[[Any], None] | None = None,
                 allocate: Allocate = PageMemory, buffers: int = 4) -> None:
        self.offer = offer or self.copy
        self.allocate, self.buffers = allocate, buffers
        self.images: list[tuple[Header, Frame, bytes]] = []
        self.broken: list[str] = []
        self.dropped: list[tuple[str, str]] = []

    def copy(self, taken: Any) -> None:
        try:
            frame = taken.frame('front')
            self.images.append((taken.header, frame, frame.data.tobytes()))
        except FrameError as error:
            self.broken.append(str(error))
        finally:
            if hasattr(taken, 'release'):
                taken.release()

    def not_taken(self, reason: str, text: str) -> None:
        self.dropped.append((reason, text))


def header(number: int, frame_id: str = 'camera') -> Header:
    return Header(stamp=Time(sec=number, nanosec=number * 7), frame_id=frame_id)


def picture(height: int, width: int, channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    rng = np.random.default_rng(height * width)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def in_slot(pixels: np.ndarray, offset: int = HEAD_ROOM) -> tuple[np.ndarray, PageMemory]:
    """Put pixels into memory with head room, as a pipeline does with its results."""
    memory = PageMemory(offset + pixels.nbytes)
    slot = memory.view[offset:offset + pixels.nbytes].view(pixels.dtype).reshape(pixels.shape)
    slot[...] = pixels
    return slot, memory


def subscribed(ros: Ros, transport: Transport, got: Got, **options: Any) -> Any:
    return transport.subscribe(ros.node, ros.topic, QOS, got, **options)


def matched(ros: Ros, publisher: Any, count: int = 1) -> None:
    ros.until(lambda: publisher.get_subscription_count() == count)


def matched_publisher(ros: Ros) -> Any:
    """Return a typed publisher after the subscription of the topic is connected to it."""
    publisher = ros.node.create_publisher(Image, ros.topic, QOS)
    matched(ros, publisher)
    return publisher


@pytest.mark.parametrize('way', ['direct to typed', 'typed to direct', 'direct to direct'])
def test_images_of_every_size_arrive_unchanged(ros: Ros, direct: Transport, way: str) -> None:
    """Sizes grow and shrink, and frame ids have all lengths. Content and header are right."""
    out, _, back = way.partition(' to ')
    got = Got()
    subscription = subscribed(ros, direct if back == 'direct' else TYPED, got)
    publisher = matched_publisher(ros)
    sender = (direct if out == 'direct' else TYPED).publisher(publisher)
    for number, (height, width) in enumerate(SIZES):
        pixels = picture(height, width)
        head = header(number, 'ä' * number)
        slot, memory = in_slot(pixels)
        assert sender.publish(head, 'bgr8', slot, memory) == (out == 'direct')
        ros.until(lambda number=number: len(got.images) == number + 1)
        sent, frame, data = got.images[-1]
        assert sent == head
        assert (frame.height, frame.width, frame.step) == (height, width, width * 3)
        assert (frame.encoding, frame.camera, frame.frame_id) == ('bgr8', 'front', head.frame_id)
        assert data == pixels.tobytes()
    assert got.dropped == got.broken == []
    subscription.close()


def test_pixels_that_cannot_be_published_in_place_are_copied(ros: Ros, direct: Transport) -> None:
    """The cases are no memory, other memory, gaps, little head room, a long frame id, 16 bits."""
    got = Got()
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)
    plain = picture(40, 64)
    slot, memory = in_slot(plain)
    tight, small = in_slot(plain, 32)
    roomy, large = in_slot(plain, 4096)
    cases: list[tuple[np.ndarray, Memory | None, str, str]] = [
        (plain, None, 'bgr8', 'cam'), (plain, memory, 'bgr8', 'cam'),
        (slot[:, ::2], memory, 'bgr8', 'cam'), (tight, small, 'bgr8', 'cam'),
        (slot, large, 'bgr8', 'cam'), (roomy, memory, 'bgr8', 'cam'),
        (slot, memory, 'bgr8', 'x' * 2000), (roomy, large, 'bgr8', 'x' * 2000),
        (picture(9, 7, 1), None, 'mono8', 'cam'),
        (picture(9, 7, 1, np.uint16), None, 'mono16', 'cam')]
    for number, (pixels, where, encoding, frame_id) in enumerate(cases):
        assert not sender.publish(header(1, frame_id), encoding, pixels, where)
        ros.until(lambda number=number: len(got.images) == number + 1)
        sent, frame, data = got.images[-1]
        assert (data, frame.encoding) == (pixels.tobytes(), encoding)
        assert sent.frame_id == frame_id
    assert sender.publish(header(1), 'bgr8', slot, memory)
    assert not memory.view[:HEAD_ROOM - 128].any(), 'the header went further than it needs'
    assert not large.view[:4096].any(), "bytes before the head room are somebody else's"
    subscription.close()


def test_memory_that_cannot_grow_costs_one_message(ros: Ros, direct: Transport) -> None:
    """The error names the sizes, and the buffer still works as before."""
    limit, asked = 100_000, []

    def allocate(nbytes: int) -> Memory:
        asked.append(nbytes)
        if nbytes > 400_000:
            return PageMemory(10)  # an allocator that returns too little memory
        if nbytes > limit:
            raise MemoryError(f'{nbytes} bytes of pinned memory are not to be had')
        return PageMemory(nbytes)

    got = Got(allocate=allocate, buffers=1)
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)
    for number, height in enumerate([100, 300, 100, 800, 100, 300, 10], 1):
        sender.publish(header(height), 'bgr8', picture(height, 300))
        ros.until(lambda number=number: len(got.images) + len(got.dropped) == number)
    assert [frame.height for _, frame, _ in got.images] == [100, 100, 100, 10]
    assert [reason for reason, _ in got.dropped] == [TAKE_ERROR] * 3
    assert '270052 bytes of pinned memory are not to be had' in got.dropped[0][1]
    assert 'did not fit in its buffer of 90052 bytes' in got.dropped[0][1]
    assert 'the allocator gave only' in got.dropped[1][1]
    assert got.broken == []
    subscription.close()


def test_ctrl_c_while_memory_grows_is_not_swallowed(ros: Ros, direct: Transport) -> None:
    """An interrupt inside C code reaches the caller of take, and the buffer is not lost."""
    presses = [1]

    def allocate(nbytes: int) -> Memory:
        if presses:
            presses.pop()
            raise KeyboardInterrupt
        return PageMemory(nbytes)

    got = Got(allocate=allocate, buffers=1)
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)

    def take() -> bool:
        found = subscription.take_data()
        if found:
            got.offer(found)
        return bool(found)

    sender.publish(header(1), 'bgr8', picture(4, 4))
    with pytest.raises(KeyboardInterrupt):
        while not take():
            time.sleep(0.01)
    for number in (2, 3):
        sender.publish(header(number), 'bgr8', picture(4, 4))
        while not take():
            time.sleep(0.01)
    assert [head.stamp.sec for head, _, _ in got.images] == [2, 3]
    subscription.close()


def test_held_images_do_not_change(ros: Ros, direct: Transport) -> None:
    """New images go into other buffers. If all buffers are held, images are dropped."""
    held: list[Any] = []
    got = Got(held.append, buffers=3)
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)
    pixels = [np.full((50, 60), number, np.uint8) for number in range(6)]
    for number in range(5):
        sender.publish(header(number), 'mono8', pixels[number])
        ros.until(lambda number=number: len(held) + len(got.dropped) == number + 1)
    assert [reason for reason, _ in got.dropped] == [NO_BUFFER] * 2
    assert 'all 3 buffers hold images' in got.dropped[0][1]
    frames = [image.frame() for image in held]
    assert [frame.data[0] for frame in frames] == [0, 1, 2]
    assert all((frame.data == number).all() for number, frame in enumerate(frames))
    held[1].release()
    held[1].release()  # a second release does nothing
    with pytest.raises(RuntimeError, match='was released'):
        held[1].frame()
    with pytest.raises(RuntimeError, match='was released'):
        held[1].header  # noqa: B018
    for number in (5, 5):
        sender.publish(header(number), 'mono8', pixels[number])
    ros.until(lambda: len(held) + len(got.dropped) == 7)
    assert (len(held), len(got.dropped)) == (4, 3)
    assert (held[3].frame().data == 5).all()
    assert [int(image.frame().data[0]) for image in (held[0], held[2])] == [0, 2]
    subscription.close()
    assert (held[0].frame().data == 0).all(), 'closing leaves what is held'


def test_malformed_messages_are_counted_and_the_next_works(ros: Ros, direct: Transport) -> None:
    """A publisher of the right type sends random bytes."""
    got = Got()
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)
    rng = random.Random(7)
    rubbish = [b'\0\1\0\0' + rng.randbytes(size) for size in range(1, 200, 2)]
    for number, message in enumerate(rubbish):
        publisher.publish(message)
        ros.until(lambda number=number: len(got.broken) == number + 1)
    assert all(got.broken)
    sender.publish(header(1), 'bgr8', picture(4, 4))
    ros.until(lambda: len(got.images) == 1)
    assert got.dropped == []
    subscription.close()


def resident() -> int:
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def test_many_messages_do_not_grow_the_memory(ros: Ros, direct: Transport) -> None:
    """300 messages of 1 MB arrive, so a leak would keep 300 MB. Each buffer grows only once."""
    asked: list[int] = []

    def allocate(nbytes: int) -> Memory:
        asked.append(nbytes)
        return PageMemory(nbytes)

    count = 0

    def take(taken: Any) -> None:
        nonlocal count
        count += taken.frame().height == 600
        taken.release()

    subscription = subscribed(ros, direct, Got(take, allocate=allocate, buffers=2))
    publisher = matched_publisher(ros)
    sender = DirectPublisher(publisher, direct.librcl, allocate)
    pixels, before = picture(600, 600), 0
    for number in range(400):
        if number == 100:
            before = resident()
        sender.publish(header(1), 'bgr8', pixels)
        ros.until(lambda number=number: count == number + 1)
    assert len(asked) == 2, 'the one buffer that is ever needed and the publisher'
    assert resident() - before < 30_000_000
    subscription.close()


def test_closing_frees_everything_and_stops_taking(ros: Ros, direct: Transport) -> None:
    """After fifteen cycles there is no buffer, waitable or file handle left."""
    publisher = ros.node.create_publisher(Image, ros.topic, QOS)
    sender = direct.publisher(publisher)
    buffers: list[weakref.ref[Any]] = []

    def allocate(nbytes: int) -> Memory:
        memory = PageMemory(nbytes)
        buffers.append(weakref.ref(memory))
        return memory

    def cycle() -> DirectSubscription:
        got = Got(allocate=allocate)
        subscription = subscribed(ros, direct, got)
        matched(ros, publisher)
        sender.publish(header(1), 'bgr8', picture(20, 20))
        ros.until(lambda: len(got.images) == 1)
        subscription.close()
        matched(ros, publisher, 0)
        sender.publish(header(1), 'bgr8', picture(20, 20))
        ros.settle()
        assert len(got.images) == 1
        assert subscription.take_data() is None, 'taken after closing'
        subscription.add_to_wait_set(None)  # an executor with an old list calls this
        assert not subscription.is_ready(None)
        return subscription

    waitables = len(list(ros.node.waitables))
    gc.disable()  # the memory must be free without the garbage collector, because it is large
    try:
        cycle()
        ros.settle()
        assert [memory() for memory in buffers] == [None]
    finally:
        gc.enable()
    handles = len(os.listdir('/proc/self/fd'))
    for _ in range(15):
        cycle()
    gc.collect()
    assert len(list(ros.node.waitables)) == waitables
    assert list(ros.node.subscriptions) == []
    assert len(os.listdir('/proc/self/fd')) <= handles


def test_messages_that_were_replaced_in_the_queue_are_counted(
        ros: Ros, direct: Transport) -> None:
    """Bursts go into a queue of one message. Each message is delivered or counted as skipped."""
    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    stamps: list[int] = []
    skipped: list[int] = []

    def take(taken: Any) -> None:
        stamps.append(taken.header.stamp.sec)
        taken.release()

    subscription = direct.subscribe(ros.node, ros.topic, newest, Got(take),
                                    skipped=skipped.append)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)
    sender.publish(header(0), 'mono8', picture(4, 4, 1))
    ros.until(lambda: stamps == [0])
    sent = 0
    while not skipped:
        for _ in range(5):
            sent += 1
            sender.publish(header(sent), 'mono8', picture(4, 4, 1))
        ros.until(lambda sent=sent: stamps[-1] == sent)
    assert subscription.numbered and len(stamps) + sum(skipped) == sent + 1
    subscription.close()


def test_messages_of_several_publishers_skip_nothing(ros: Ros, direct: Transport) -> None:
    """Each publisher has its own numbers, so different numbers must not count as a gap."""
    got, skipped = Got(), []
    subscription = subscribed(ros, direct, got, skipped=skipped.append)
    publishers = [ros.node.create_publisher(Image, ros.topic, QOS) for _ in range(2)]
    for publisher in publishers:
        matched(ros, publisher)
    for number, which in enumerate((0, 0, 0, 1, 0, 1, 1, 0), 1):
        direct.publisher(publishers[which]).publish(header(number), 'bgr8', picture(4, 4))
        ros.until(lambda number=number: len(got.images) == number)
    assert skipped == []
    subscription.close()


def test_a_message_that_could_not_be_taken_is_not_skipped_too(
        ros: Ros, direct: Transport) -> None:
    """The callback ``dropped`` gets this message, so no other count may include it."""
    skipped: list[int] = []

    def allocate(nbytes: int) -> Memory:
        if nbytes > 1000:
            raise MemoryError('no more')
        return PageMemory(nbytes)

    got = Got(allocate=allocate)
    subscription = subscribed(ros, direct, got, skipped=skipped.append)
    publisher = matched_publisher(ros)
    for number, height in enumerate((4, 100, 100, 4), 1):
        direct.publisher(publisher).publish(header(number), 'bgr8', picture(height, 10))
        ros.until(lambda number=number: len(got.images) + len(got.dropped) == number)
    assert (len(got.dropped), skipped) == (2, [])
    subscription.close()


def test_events_of_a_direct_subscription_still_come(ros: Ros, direct: Transport) -> None:
    """This package replaces only the take. rclpy still warns about incompatible QoS."""
    warnings: list[str] = []
    got = Got()
    subscription = subscribed(ros, direct, got,
                              event_callbacks=SubscriptionEvents(
                                  ros.topic, warnings.append, lambda count: None))
    ros.node.create_publisher(
        Image, ros.topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    ros.until(lambda: warnings)
    assert 'RELIABILITY' in warnings[0]
    subscription.close()


def test_a_lifecycle_publisher_is_silent_until_active(ros: Ros, direct: Transport) -> None:
    node = LifecycleNode('managed', context=ros.context, enable_communication_interface=False)
    got = Got()
    subscription = subscribed(ros, direct, got)
    publisher = node.create_lifecycle_publisher(Image, ros.topic, QOS)
    sender = direct.publisher(publisher)
    matched(ros, publisher)
    sender.publish(header(1), 'bgr8', picture(4, 4))
    publisher.on_activate(None)
    sender.publish(header(2), 'bgr8', picture(4, 4))
    ros.until(lambda: got.images)
    ros.settle()
    assert [head.stamp.sec for head, _, _ in got.images] == [2]
    subscription.close()
    node.destroy_lifecycle_publisher(publisher)
    with pytest.raises(rclpy_c.InvalidHandle):
        sender.publish(header(3), 'bgr8', picture(4, 4))
    node.destroy_node()


def test_publishing_while_another_thread_takes(ros: Ros, direct: Transport) -> None:
    """As in the node, a worker publishes while the executor takes. All images arrive in order."""
    got = Got()
    subscription = subscribed(ros, direct, got)
    publisher = matched_publisher(ros)
    sender = direct.publisher(publisher)

    def send() -> None:
        for number in range(100):
            sender.publish(header(number), 'mono8', np.full((100, 100), number, np.uint8))
            while len(got.images) < number - 4 and not stop.is_set():
                time.sleep(0.001)

    stop = threading.Event()
    thread = threading.Thread(target=send)
    thread.start()
    try:
        ros.until(lambda: len(got.images) == 100)
    finally:
        stop.set()
        thread.join()
    assert [head.stamp.sec for head, _, _ in got.images] == list(range(100))
    assert all(set(data) == {number} for number, (_, _, data) in enumerate(got.images))
    subscription.close()


OTHER_PROCESS = """
import sys, time, numpy as np, rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from trt_segmentation.ros.transport.choose import choose_transport
rclpy.init()
node = Node('other', start_parameter_services=False)
publisher = node.create_publisher(Image, sys.argv[1], QoSProfile(depth=10))
while not publisher.get_subscription_count():
    time.sleep(0.02)
for name in ('typed', 'direct') * 3:
    number = int(sys.stdin.readline())
    choose_transport(name).publisher(publisher).publish(
        Header(frame_id=name), 'mono8', np.full((200, 300 + number), number, np.uint8))
sys.stdin.readline()
node.destroy_node()
rclpy.shutdown()
"""


def test_from_another_process(ros: Ros, direct: Transport) -> None:
    got = Got()
    subscription = subscribed(ros, direct, got)
    other = subprocess.Popen(
        [sys.executable, '-c', OTHER_PROCESS, ros.topic], stdin=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3], env={**os.environ, 'ROS_DOMAIN_ID': str(ros.domain)})
    try:
        for number in range(6):
            print(number, file=other.stdin, flush=True)
            ros.until(lambda number=number: len(got.images) == number + 1)
            head, frame, data = got.images[-1]
            assert head.frame_id == ('typed', 'direct')[number % 2]
            assert (frame.height, frame.width) == (200, 300 + number)
            assert set(data) == {number}
    finally:
        assert other.stdin
        other.stdin.close()
        assert other.wait(30) == 0
    subscription.close()


def test_page_memory() -> None:
    """The memory starts at a page and has the right size. A view keeps the memory alive."""
    memory = PageMemory(10_001)
    assert memory.address % mmap.PAGESIZE == 0
    assert memory.nbytes == memory.view.nbytes == 10_001
    assert memory.view.ctypes.data == memory.address
    part = memory.view[5000:]
    part[...] = 7
    del memory
    gc.collect()
    assert (part == 7).all()


def test_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test covers every name of a transport, with and without librcl, and the reasons."""
    assert (TYPED.name, TYPED.reason, TYPED.librcl) == ('typed', 'asked for', None)
    assert choose_transport('auto').name == 'direct'
    assert 'rmw_fastrtps_cpp' in choose_transport('auto').reason
    assert choose_transport('direct').reason.startswith('asked for, ')
    with pytest.raises(TransportError, match="'raw'; expected one of auto, direct, typed"):
        choose_transport('raw')

    class Missing:
        def __init__(self) -> None:
            raise TransportError('librcl.so was not found')

    monkeypatch.setattr(transport_module, 'Librcl', Missing)
    auto = choose_transport('auto')
    assert (auto.name, auto.librcl) == ('typed', None)
    assert auto.reason == '`direct` does not work here: librcl.so was not found'
    with pytest.raises(TransportError, match=r'here: librcl.so .* `transport` to auto or'):
        choose_transport('direct')


def test_librcl_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library and a library with another struct layout give different errors."""
    monkeypatch.setattr(librcl_module.sys, 'platform', 'win32')
    with pytest.raises(TransportError, match=r'rcl.dll was not found in this process'):
        Librcl()
    monkeypatch.undo()

    class Swapped(ctypes.Structure):
        _fields_ = (('buffer', ctypes.c_void_p), ('capacity', ctypes.c_size_t),
                    ('length', ctypes.c_size_t), ('allocator', librcl_module._Allocator),
                    ('reserve', ctypes.c_uint8 * 128))

    monkeypatch.setattr(librcl_module, '_SerializedMessage', Swapped)
    with pytest.raises(TransportError, match='has an unknown layout'):
        Librcl()


def test_errors_of_librcl_say_what_librcl_says(direct: Transport) -> None:
    """No error stays set in librcl. Otherwise the next call of librcl would complain."""
    assert direct.librcl
    not_one = (ctypes.c_uint8 * 64)()
    with pytest.raises(TransportError, match=r'a message of 3 bytes: publisher invalid \(300\): .*'
                                             'impl'):
        direct.librcl.publish(ctypes.addressof(not_one), np.zeros(3, np.uint8))
    with pytest.raises(TransportError, match=r'subscription invalid \(400\): .*impl'):
        direct.librcl.take(ctypes.addressof(not_one), librcl_module.MessageBuffer(PageMemory))
    grown = librcl_module.MessageBuffer(lambda nbytes: PageMemory(0))
    grown._growth(10)
    assert isinstance(grown.error, MemoryError)
    # librcl must not return the old error of the buffer
    with pytest.raises(TransportError, match='subscription invalid'):
        direct.librcl.take(ctypes.addressof(not_one), grown)
    assert not direct.librcl._library.rcutils_error_is_set()


def test_ordinary_messages_still_work(ros: Ros) -> None:
    """The typed transport still takes and publishes ordinary messages."""
    got = Got()
    subscription = subscribed(ros, TYPED, got)
    publisher = matched_publisher(ros)
    publisher.publish(Image(header=header(4), height=1, width=2, encoding='mono8', step=2,
                            data=array('B', b'ab')))
    ros.until(lambda: got.images)
    assert got.images[0][0] == header(4)
    assert got.images[0][2] == b'ab'
    subscription.close()
