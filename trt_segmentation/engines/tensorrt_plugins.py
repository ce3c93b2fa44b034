# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Load the shared libraries with TensorRT plugins that a model card names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
from pathlib import Path

from ..errors import EngineError
from ..untrusted.terminal_text import short
from .shared_library import check_library, hash_library
from .tensorrt import BuildLog, LIBRARY, trt

_CREATOR_FUNCTIONS = ('getCreators', 'getPluginCreators')
"""A library for ``IPluginRegistry.load_library`` has one of these functions."""

_loaded: dict[Path, str] = {}
"""Maps each library that this process has loaded to its hash. A library stays loaded until the
process ends, because engines use its code."""


def plugin_names() -> set[str]:
    """Return the names of all plugins of this process.

    A plugin has the same name as the ONNX operator that the plugin computes.
    """
    # In TensorRT 10.3, one kind of plugin creators has no attribute `name` in Python.
    return {getattr(creator, 'name', '') for creator in trt.get_plugin_registry().all_creators}


def load_plugins(paths: Sequence[Path], log: Callable[[str], None] = lambda line: None
                 ) -> list[str]:
    """Load libraries with plugins. A library that is already loaded is not loaded again.

    Some libraries register their plugins while they are loaded. Other libraries do not, so
    TensorRT must ask them for their plugins. This function can load both kinds of libraries.

    :param log: a function that receives one line for each library that is loaded, and one line for
        each warning from TensorRT.
    :returns: the SHA-256 that each library had when it was loaded, as 64 hex digits.
    :raises EngineError: if a library is missing or has no plugins, or if another user could have
        changed the library.
    """
    digests = []
    for path in paths:
        try:
            real = check_library(path)
            digest = _loaded.get(real) or hash_library(real)
        except OSError as error:
            raise EngineError(f'the plugin library {short(str(path))} cannot be loaded: {error}'
                              ) from error
        if real not in _loaded:
            names = _load(real, log)
            _loaded[real] = digest
            log(f'loaded the plugins {", ".join(sorted(names))} from {real}')
        digests.append(digest)
    return digests


def _load(path: Path, log: Callable[[str], None]) -> set[str]:
    before = plugin_names()
    with BuildLog(log) as lines:
        try:
            library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise EngineError(f'the plugin library {path} cannot be loaded: {error}') from error
        if plugin_names() == before and any(hasattr(library, n) for n in _CREATOR_FUNCTIONS) \
                and trt.get_plugin_registry().load_library(str(path)) is None:
            raise EngineError(f'{LIBRARY} refuses the plugin library {path}: '
                              f'{lines.take_reason()}')
    names = plugin_names() - before
    if not names:
        raise EngineError(f'the plugin library {path} registers no plugin that is new to '
                          f'{LIBRARY}. Build the library for this version of TensorRT, or remove '
                          f'its line from `plugins` in the model card')
    return names
