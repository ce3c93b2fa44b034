# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests."""

import gc
import signal

# A shell without job control starts background programs with SIGINT ignored, and their child
# processes inherit this setting. Without the next line, tests that send SIGINT would never end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector ignore the objects that exist before the first test.

    Many tests collect garbage. The collector would visit 400,000 objects of pytest and of imported
    modules each time, which takes a quarter of a second.
    """
    gc.collect()
    gc.freeze()
