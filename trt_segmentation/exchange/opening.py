# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a new network in a thread of its own, while the old network works."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Generic, Protocol, TypeVar

from ..serving.stopping import start_unstoppable


class _CanClose(Protocol):
    def close(self) -> None: ...


Network = TypeVar('Network', bound=_CanClose)


class Opening(Generic[Network]):
    """Opens one network in its own thread. Any thread may use this object.

    Opening a network may take minutes, and cannot be interrupted.

    :param open_network: called once, in the thread of this object.
    """

    def __init__(self, open_network: Callable[[], Network]) -> None:
        self._open = open_network
        self._lock = threading.Lock()
        self._is_given_up = False
        self._network: Network | None = None
        self.error: Exception | None = None
        """Why the network could not be opened. None if it was opened, or is still being opened."""
        start_unstoppable(self._run)

    @property
    def has_ended(self) -> bool:
        """Whether the network is open, or could not be opened."""
        return self._network is not None or self.error is not None

    def take(self) -> Network | None:
        """Return the open network, which the caller then owns. None if no network is open."""
        with self._lock:
            network, self._network = self._network, None
            return network

    def give_up(self) -> None:
        """Close the network. If it is still being opened, close it once it is open."""
        with self._lock:
            self._is_given_up = True
        if network := self.take():
            network.close()

    def _run(self) -> None:
        try:
            network = self._open()
        except Exception as error:
            self.error = error
            return
        with self._lock:
            if not self._is_given_up:
                self._network = network
                return
        network.close()
