# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for a node. Its network reads numbered images, and its engine can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# pytest finds the fixture by this name
from ros_context import ros  # noqa: F401


@pytest.fixture(scope='session')
def digits_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a model card for the network that reads numbered images."""
    from faults.numbered import card_file
    return card_file(tmp_path_factory.mktemp('digits'))


@pytest.fixture
def make_rig(ros: Any, digits_card: Path,  # noqa: F811
             monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Yield a function that makes a node with the pipeline of faults.faulty.

    The node is active, unless ``start`` is False. The function returns a rig with three more
    attributes. ``faults`` are the Faults of all pipelines. ``openings`` has the result for each of
    the next openings of a pipeline: an error to raise, or None for success. ``asked`` has the
    names of the engines that the node asked for.
    """
    from faults.faulty import Faults, FaultyPipeline
    from node_rig import kept_rigs, Rig

    import trt_segmentation.ros.node as module

    def make(*arguments: str, start: bool = True, **options: Any) -> Any:
        pipelines: list[Any] = []
        openings: list[Exception | None] = []
        asked: list[str] = []
        faults = Faults()

        def open_(card: Any, engine: str, **options: Any) -> Any:
            asked.append(engine)
            if openings and (error := openings.pop(0)):
                raise error
            pipelines.append(FaultyPipeline(card, faults))
            return pipelines[-1]

        monkeypatch.setattr(module, 'open_pipeline', open_)
        given = [text for argument in (f'model:={digits_card}', *arguments)
                 for text in ('-p', argument)]
        rig: Any = Rig(ros, pipelines, cli_args=['--ros-args', *given], **options)
        rig.openings, rig.asked, rig.faults = openings, asked, faults
        return keep(rig, start)

    with kept_rigs() as keep:
        yield make
