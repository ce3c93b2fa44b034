# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses frames that cover all kinds of light, scenes and times of many recordings.

The features of a frame are numbers that describe the frame. The squared distance between two
frames is the sum of the squared differences of their features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .choose import Pick

Features = npt.NDArray[np.float32]
ANOTHER_CAMERA = 1.0
"""Number that is added to the squared distance between two frames of different cameras. For
comparison, the features of the light add 2 to the squared distance on average."""


def describe_frames(table: pa.Table, picks: Sequence[Pick], classes: Sequence[str]) -> Features:
    """Return the features of frames: light, the share of each class, and time.

    The time is the time since the camera's first frame in ``picks``.

    Light, class shares and time are three kinds of features. Each feature has the mean 0. If a
    kind has n features, each of these n features has the standard deviation 1 / √n. So the kinds
    have the same weight. A feature that is the same for all frames is 0.

    :param table: the manifest, a table with one row for each frame; see :func:`.make_schema`.
    :param picks: result of :func:`.read_picks` for this manifest.
    :returns: (frames, features) float32, in the order of ``picks``.
    """
    good = table.filter(pc.is_null(table['decode_error']))
    starts: dict[tuple[str, str], int] = {}
    for pick in picks:
        starts[pick.camera] = min(pick.log_time_ns, starts.get(pick.camera, pick.log_time_ns))
    kinds = [
        [good['brightness'].to_numpy(), good['contrast'].to_numpy()],
        [pc.struct_field(good['shares'], [index]).to_numpy() for index in range(len(classes))],
        [np.array([pick.log_time_ns - starts[pick.camera] for pick in picks]) / 1e9]]
    return np.concatenate([_standardise(np.stack(kind, axis=1)) for kind in kinds], axis=1)


def _standardise(values: npt.NDArray[np.float64]) -> Features:
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    scaled = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-6)
    return np.asarray(scaled / np.sqrt(values.shape[1]), np.float32)


def choose_by_cover(features: Features, picks: Sequence[Pick], count: int
                    ) -> npt.NDArray[np.intp]:
    """Choose frames so that every frame is near a chosen frame. Equal input gives equal output.

    This is the greedy k-centre algorithm (Gonzalez, 1985). The first frame is the frame nearest to
    the mean of the features. Each next frame is the frame that is farthest from all chosen frames.
    :data:`ANOTHER_CAMERA` makes the distance between frames of different cameras larger.

    :param features: result of :func:`describe_frames`; at least one frame.
    :param count: number of frames to choose. If there are fewer frames, all are chosen.
    :returns: indices of the chosen frames, ascending.
    """
    cameras = np.unique([f'{url}\0{topic}' for url, topic in (pick.camera for pick in picks)],
                        return_inverse=True)[1]
    chosen = [int(np.argmin((features ** 2).sum(axis=1)))]
    distance = np.full(len(features), np.inf)
    while len(chosen) < min(count, len(features)):
        last = chosen[-1]
        found = ((features - features[last]) ** 2).sum(axis=1)
        found += ANOTHER_CAMERA * (cameras != cameras[last])
        distance = np.minimum(distance, found)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return np.sort(np.array(chosen, np.intp))
