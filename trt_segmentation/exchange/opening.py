# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a new network in its own thread, while the old network is in use."""

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
        """Why the network could not be opened. None if there was no error until now."""
        start_unstoppable(self._run)

    @property
    def has_ended(self) -> bool:
        """Whether opening the network succeeded or failed. Not valid after :meth:`take`."""
        return self._network is not None or self.error is not None

    def take(self) -> Network | None:
        """Return the network if it is open, else None. The caller then owns the network."""
        with self._lock:
            network, self._network = self._network, None
            return network

    def give_up(self) -> None:
        """Close the network. If the network is not open yet, close it as soon as it is open."""
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
