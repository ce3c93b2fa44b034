# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls the C library librcl to receive and to publish serialized messages."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
import os
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.impl.implementation_singleton import rclpy_implementation as rclpy_c

from ...errors import TransportError
from ...memory import Allocate, Memory

OK = 0
TAKE_FAILED = 401
CODES = {1: 'error', 2: 'timeout', 3: 'unsupported', 10: 'bad alloc', 11: 'invalid argument',
         12: 'incorrect rmw implementation', 300: 'publisher invalid', 400: 'subscription invalid'}
"""Meaning of the return codes of librcl. Source: rmw/ret_types.h, rcl/types.h."""

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_ALLOCATE = ctypes.CFUNCTYPE(_POINTER, _SIZE, _POINTER)
_DEALLOCATE = ctypes.CFUNCTYPE(None, _POINTER, _POINTER)
_REALLOCATE = ctypes.CFUNCTYPE(_POINTER, _POINTER, _SIZE, _POINTER)
_ZERO_ALLOCATE = ctypes.CFUNCTYPE(_POINTER, _SIZE, _SIZE, _POINTER)


class _Allocator(ctypes.Structure):
    """The C struct rcutils_allocator_t."""

    _fields_ = (('allocate', _ALLOCATE), ('deallocate', _DEALLOCATE),
                ('reallocate', _REALLOCATE), ('zero_allocate', _ZERO_ALLOCATE),
                ('state', _POINTER))


def _make_allocator(grow: Callable[[int], int | None], state: int | None = None) -> _Allocator:
    return _Allocator(
        _ALLOCATE(lambda size, _: grow(size)), _DEALLOCATE(lambda memory, _: None),
        _REALLOCATE(lambda memory, size, _: grow(size)),
        _ZERO_ALLOCATE(lambda count, size, _: None), state)  # librcl does not call zero_allocate


class _SerializedMessage(ctypes.Structure):
    """The C struct rcl_serialized_message_t, which is another name for rcutils_uint8_array_t.

    ``reserve`` is not part of the C struct. If the C struct of a later ROS is larger, librcl
    writes into ``reserve``, and :meth:`Librcl._check_layout` notices this.
    """

    _fields_ = (('buffer', _POINTER), ('length', _SIZE), ('capacity', _SIZE),
                ('allocator', _Allocator), ('reserve', ctypes.c_uint8 * 128))


class _MessageInfo(ctypes.Structure):
    """The C struct rmw_message_info_t. ``reserve`` has space for the struct's last fields."""

    _fields_ = (('source_timestamp', ctypes.c_int64), ('received_timestamp', ctypes.c_int64),
                ('number', ctypes.c_uint64), ('reception_number', ctypes.c_uint64),
                ('implementation', _POINTER), ('publisher', ctypes.c_uint8 * 16),
                ('reserve', ctypes.c_uint8 * 128))


_NOT_NUMBERED = 2**64 - 1
"""RMW_MESSAGE_INFO_SEQUENCE_NUMBER_UNSUPPORTED: the publisher gave the message no number."""


class _ErrorString(ctypes.Structure):
    """The C struct rcutils_error_string_t. librcl fills only the first 1024 bytes."""

    _fields_ = (('text', ctypes.c_char * 4096),)


class _Growth:
    """Allocates the memory for which librcl asks through its allocator callbacks."""

    def __init__(self, allocate: Allocate) -> None:
        self.memory: Memory | None = None
        self.error: BaseException | None = None
        self._allocate = allocate

    def __call__(self, size: int) -> int | None:
        """Allocate larger memory. Old bytes are not copied, because the message replaces them."""
        try:
            memory = self._allocate(size)
            if memory.nbytes < size:
                raise MemoryError(f'the allocator gave only {memory.nbytes} of {size} bytes')
        except BaseException as error:  # no exception may pass through C code
            self.error = error
            return None
        self.memory = memory
        return memory.address


class MessageBuffer:
    """Memory for one received message. The memory grows if a message needs more.

    Only one thread at a time may use a buffer. The first call of ``allocate`` is for the first
    message.
    """

    def __init__(self, allocate: Allocate) -> None:
        # The callbacks must not refer to this object. A reference cycle would keep the memory
        # until the garbage collector runs.
        self._growth = _Growth(allocate)
        self._allocator = _make_allocator(self._growth)  # keeps the callbacks alive
        self._struct = _SerializedMessage(allocator=self._allocator)
        self.info = _MessageInfo()
        """Facts about the last message, written by librcl."""

    @property
    def capacity(self) -> int:
        """The size of the present memory in bytes."""
        return self._growth.memory.nbytes if self._growth.memory else 0

    def prepare_take(self) -> Any:
        """Return a pointer to the rcl_serialized_message_t, ready for the next message."""
        # Set all fields again, because librcl clears them if the memory could not grow.
        memory = self._growth.memory
        self._struct.buffer = memory.address if memory else None
        self._struct.capacity = self.capacity
        self._struct.length = 0
        self._growth.error = None
        return ctypes.byref(self._struct)

    @property
    def error(self) -> BaseException | None:
        """Why the memory could not grow for the last message. None if no error occurred."""
        return self._growth.error

    @property
    def number(self) -> int | None:
        """Number of the last message. None if its publisher gave no number."""
        return None if self.info.number == _NOT_NUMBERED else int(self.info.number)

    @property
    def publisher(self) -> bytes:
        """Id of the publisher of the last message."""
        return bytes(self.info.publisher)

    def message(self) -> npt.NDArray[np.uint8]:
        """Return the last message, as a view of the memory of this buffer.

        :raises TransportError: if the middleware did not put the message into this memory.
        """
        memory, length = self._growth.memory, int(self._struct.length)
        if memory is None or self._struct.buffer != memory.address or length > memory.nbytes:
            raise TransportError(
                f'the middleware did not write the message of {length} bytes into its buffer of '
                f'{self.capacity} bytes; set the parameter transport to typed, and report this')
        return memory.view[:length]


class Librcl:
    """The library librcl that rclpy has loaded. Any thread may use this object.

    :raises TransportError: if librcl cannot be called directly here. The error gives the reason.
    """

    def __init__(self) -> None:
        for name in ('Subscription', 'Publisher'):
            if not hasattr(getattr(rclpy_c, name), 'pointer'):
                raise TransportError(f'this rclpy does not give the memory address of a {name}')
        name = {'darwin': 'librcl.dylib', 'win32': 'rcl.dll'}.get(sys.platform, 'librcl.so')
        try:
            # NOLOAD: use the librcl that rclpy has loaded, and never load a second copy. The
            # handle also finds the functions of librcutils, because librcl depends on librcutils.
            self._library = ctypes.CDLL(name, mode=getattr(os, 'RTLD_NOLOAD', 0) | os.RTLD_NOW)
            self._take = self._declare('rcl_take_serialized_message', *[_POINTER] * 4)
            self._publish = self._declare('rcl_publish_serialized_message', *[_POINTER] * 3)
            self._init = self._declare('rcutils_uint8_array_init', _POINTER, _SIZE, _POINTER)
            self._resize = self._declare('rcutils_uint8_array_resize', _POINTER, _SIZE)
            self._error_string = self._library.rcutils_get_error_string
            self._reset_error = self._library.rcutils_reset_error
        except (OSError, AttributeError) as error:
            raise TransportError(f'{name} was not found in this process: {error}') from error
        self._error_string.restype = _ErrorString
        self._check_layout()

    def take(self, subscription: int, buffer: MessageBuffer) -> npt.NDArray[np.uint8] | None:
        """Receive a message into a buffer, which grows if necessary.

        :param subscription: address of an rcl_subscription_t. The caller keeps it alive.
        :returns: the message, as a view of the buffer's memory. None if no message was waiting.
        :raises TransportError: if the message could not be received. The message is lost. The
            next message can still be received.
        """
        # ctypes releases the GIL during the call.
        code = self._take(subscription, buffer.prepare_take(), ctypes.byref(buffer.info), None)
        if code == OK:
            return buffer.message()
        reason = self._take_error(code)
        if code == TAKE_FAILED:
            return None
        if error := buffer.error:
            if not isinstance(error, Exception):  # Ctrl-C
                raise error
            raise TransportError(
                f'a message did not fit in its buffer of {buffer.capacity} bytes, and the buffer '
                f'could not grow: {type(error).__name__}: {error}') from error
        raise TransportError(f'could not receive a message: {reason}')

    def publish(self, publisher: int, message: npt.NDArray[np.uint8]) -> None:
        """Publish a serialized message. After the call, the caller may overwrite ``message``.

        :param publisher: address of an rcl_publisher_t. The caller keeps it alive.
        :param message: (n,) uint8, C-contiguous: the message in CDR, see :mod:`.cdr`.
        :raises TransportError: if the middleware refuses the message.
        """
        struct = _SerializedMessage(message.ctypes.data, message.nbytes, message.nbytes)
        code = self._publish(publisher, ctypes.byref(struct), None)  # releases the GIL
        if code != OK:
            raise TransportError(
                f'could not publish a message of {message.nbytes} bytes: {self._take_error(code)}')

    def _declare(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
        return function

    def _take_error(self, code: int) -> str:
        """Return librcl's text for the last error of this thread, and clear the error."""
        text = self._error_string().text.decode('utf-8', 'replace')
        self._reset_error()
        return f'{CODES.get(code, "unknown code")} ({code}): {text}'

    def _check_layout(self) -> None:
        """Let librcutils fill a struct and enlarge its memory. Refuse an unexpected result."""
        asked: list[int] = []
        memory = (ctypes.c_uint8 * 128)()

        def allocate(size: int) -> int:
            asked.append(size)
            return ctypes.addressof(memory)

        allocator = _make_allocator(allocate, 0x5EED)
        theirs = _SerializedMessage()
        codes = (self._init(ctypes.byref(theirs), 64, ctypes.byref(allocator)),
                 self._resize(ctypes.byref(theirs), 128))
        seen = (codes, asked, theirs.buffer, theirs.length, theirs.capacity,
                theirs.allocator.state, any(theirs.reserve))
        if seen != ((OK, OK), [64, 128], ctypes.addressof(memory), 0, 128, 0x5EED, False):
            self._reset_error()
            raise TransportError(
                f'rcl_serialized_message_t of this librcl has an unknown layout ({seen})')
