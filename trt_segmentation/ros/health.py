# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The health of a camera: numbers that show whether the results can be trusted.

The figures of a frame are numbers such as the mean entropy, which is high if the network is unsure
about the classes. The reference has the figures of typical frames. The drift says how far the
newest frames are from the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode

from ..errors import SegmentationError
from ..frame import Segmentation
from ..model.card import ModelCard
from ..serving.lateness import Lateness
from ..trust.drift import Drift
from ..trust.reference import load_reference, Reference, reference_path
from ..trust.tally import FrameFigures, read_tally
from ..untrusted.regular_file import expand_home
from .transport.qos import make_lifecycle_publisher


class HealthReference:
    """The health reference of a model. All cameras of a node share this object.

    The reference is a file with the figures of typical frames. The file is read when it is first
    needed.

    :param path: value of the parameter ``health_reference``.
    :param window: value of the parameter ``drift_frames``.
    """

    def __init__(self, card: ModelCard, path: str, window: int) -> None:
        self._card, self._path, self._window = card, path, window
        self._reference: Reference | None = None

    def find_problem(self) -> str:
        """Return why the reference cannot be used; empty if the reference can be used.

        The result is also empty if no path is set and no reference is beside the model card.
        """
        try:
            self.make_drift()
        except (SegmentationError, FileNotFoundError) as error:
            return str(error)
        return ''

    def describe_absence(self) -> str:
        """Return why there is no drift, and what to do. Empty if there is a reference."""
        beside = reference_path(self._card)
        if self._path or (beside and beside.exists()):
            return ''
        card = self._card.source or self._card.name
        return (f'no reference was found beside {card}, so the drift is not measured. To write '
                f'one: trt_seg eval --model {card} --save-reference, with the options --images '
                'and --labels for your own images')

    def make_drift(self) -> Drift | None:
        """Return a new :class:`.Drift` for one camera; None if there is no reference.

        :raises TrustError: if the reference cannot be used.
        :raises FileNotFoundError: if ``path`` begins with ``~user``, and this user does not exist.
        """
        if self._reference is None:
            if self.describe_absence():
                return None
            path = expand_home(self._path) if self._path else reference_path(self._card)
            assert path is not None
            self._reference = load_reference(path, self._card)
        return Drift(self._reference, self._window)


@dataclass(frozen=True)
class HealthReport:
    """The health of the newest frame of a camera.

    :param values: the figures as text. Each key is the name of a figure.
    :param warning: why the results should not be trusted. Empty if there is no warning.
    :param progress: how many frames are in the window of the drift, such as ``29 of 60 frames``.
        Empty if the window is full.
    """

    values: Mapping[str, str]
    warning: str = ''
    progress: str = ''


class Health:
    """Publishes the health of one camera, and keeps the newest report for the diagnostics.

    The transition ``configure`` makes this object. A worker segments the frames. The
    threads of the worker call :meth:`publish`. The executor's thread calls the other methods, but
    :meth:`change_model` may be called by any of these threads.

    :param prefix: the topic without its last part ``/health``, for example ``~``.
    :param camera: name of the camera. Empty if the camera has no name.
    :param value: returns the value of the parameter with the given name.
    """

    def __init__(self, node: LifecycleNode, prefix: str, camera: str, card: ModelCard,
                 reference: HealthReference, value: Callable[[str], Any]) -> None:
        self.lateness = Lateness()
        self._node = node
        self._name = f'{node.get_name()}: health {camera}'.rstrip()
        self._classes = card.classes
        self._reference = reference
        self._value = value
        self._drift: Drift | None = None
        self._newest: HealthReport | None = None  # None: not measured
        self._publisher = make_lifecycle_publisher(node, DiagnosticStatus, f'{prefix}/health')

    def publish(self, segmentation: Segmentation, header: Any) -> None:
        """Measure and publish the health of a frame.

        A tally has counts over the pixels of a frame. If the segmentation has no tally, the
        health of the frame is not known, and nothing is published.

        :param header: the std_msgs/Header of the image.
        """
        if segmentation.tally is None:
            self._newest = None
            return
        if self._newest is None:  # start a new drift with this frame
            self._drift = self._reference.make_drift()
        figures = read_tally(segmentation.tally)
        drift = self._drift.add(figures) if self._drift else None
        limit = self._value('drift_warn')
        warning = '' if drift is None or drift <= limit else (
            f'the last {self._value("drift_frames")} frames are unlike the reference of the '
            f'model: the drift is {drift:.2f}; expected at most {limit:g}')
        report = self._newest = HealthReport(
            describe_figures(figures, self._classes, drift), warning,
            self._drift.progress if self._drift and drift is None else '')
        if self._publisher.get_subscription_count():
            self._publisher.publish(self._make_message(report, header))

    def change_model(self, card: ModelCard, reference: HealthReference) -> None:
        """Use the classes and the reference of another model for later frames."""
        self._classes, self._reference = card.classes, reference
        self._newest = None  # so that the drift starts again at the next frame

    def read(self) -> HealthReport | None:
        """Return the health of the newest frame; None if the health was not measured."""
        newest = self._newest
        if newest is None or not self._value('health'):
            return None
        text = newest.progress if self._drift else self._reference.describe_absence()
        return replace(newest, values={**newest.values, 'drift': text}) if text else newest

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _make_message(self, report: HealthReport, header: Any) -> DiagnosticStatus:
        stamp = f'{header.stamp.sec}.{header.stamp.nanosec:09d}'
        values = {'stamp': stamp, 'frame_id': header.frame_id, **report.values}
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if report.warning else DiagnosticStatus.OK,
            name=self._name, message=report.warning or 'measured',
            values=[KeyValue(key=key, value=text) for key, text in values.items()])


def describe_figures(figures: FrameFigures, classes: tuple[str, ...], drift: float | None
                     ) -> dict[str, str]:
    """Return the figures of a frame as text, by name. The result has no figures that are None."""
    numbers = {'drift': drift, 'entropy': figures.entropy, 'margin_p5': figures.margin_p5,
               'unlabelled': figures.unlabelled,
               **{f'share {name}': share for name, share in zip(classes, figures.shares)}}
    return {key: f'{number:.4f}' for key, number in numbers.items() if number is not None}
