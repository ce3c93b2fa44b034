# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Stores the measurements of a network in the engine cache, so that they are made only once.

A candidate is a set of options for ONNX Runtime; see :mod:`.candidates`. The file contains only
names of candidates, measured numbers and error texts. The options of a candidate always come from
this package, never from the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
import fcntl
import hashlib
from importlib.util import find_spec
import json
import os
from typing import Any

import onnxruntime

from ..engines.gpu_identity import GpuIdentity
from ..installed.files import user_cache_folder
from ..model.card import ModelCard
from ..untrusted.onnx_file import hash_model
from ..untrusted.regular_file import expand_home
from ..untrusted.signed_files import (
    load_signed,
    make_private_folder,
    SCHEMA,
    SignedFile,
    store_signed,
)
from .candidates import CANDIDATES, Measured, PLAIN
from .open_candidate import choose_first
from .request import card_tree


def make_key(card: ModelCard, gpu: GpuIdentity) -> dict[str, Any]:
    """Return the key: everything on which the measurements depend. Each key has its own file.

    :raises EngineError: if the ONNX file cannot be read.
    """
    return {**card_tree(card), 'model': hash_model(card.model),
            'version': onnxruntime.__version__, 'gpu': asdict(gpu),
            'candidates': {name: asdict(CANDIDATES[name]) for name in choose_first(card)},
            'onnx': find_spec('onnx') is not None, 'schema': SCHEMA}


class ChoiceFile:
    """The file with the measurements of one network.

    :param folder: the value of the parameter ``engine_cache``; empty for
        :func:`.user_cache_folder`. The file is in the subfolder ``engines``.
    :param key: the result of :func:`make_key`.
    :raises CacheError: if the folder cannot be used.
    :raises FileNotFoundError: if ``folder`` starts with ``~user`` and there is no such user.
    """

    def __init__(self, folder: str, key: dict[str, Any]) -> None:
        root = expand_home(folder) if folder else user_cache_folder()
        self._folder = make_private_folder(root / 'engines')
        self._key = key
        text = json.dumps(key, sort_keys=True, separators=(',', ':'))
        digest = hashlib.sha256(text.encode()).hexdigest()[:40]
        self.path = self._folder / f'{digest}.choice'

    def load(self) -> list[Measured]:
        """Return the measurements in the file; empty if the file is missing or cannot be used."""
        kept, _ = load_signed(self.path)
        if kept is None:
            return []
        try:
            results = [Measured(**tree) for tree in json.loads(kept.data)]
            names = [result.name for result in results if not result.refused]
        except (ValueError, TypeError, RecursionError):
            return []
        return results if PLAIN in names and CANDIDATES.keys() >= set(names) else []

    def store(self, results: list[Measured]) -> None:
        """Write measurements into the file.

        :raises OSError: if the file cannot be written.
        """
        data = json.dumps([asdict(result) for result in results]).encode()
        store_signed(self.path, SignedFile(data), self._key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for the lock of this folder, and hold it during the ``with`` block.

        Meanwhile, no other process that uses this folder measures a network or builds an engine.
        Such work would make the measured times too long.
        :class:`trt_segmentation.builder.cache.EngineCache` uses the same lock.

        :raises OSError: if the folder cannot be locked.
        """
        handle = os.open(self._folder / 'build.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
