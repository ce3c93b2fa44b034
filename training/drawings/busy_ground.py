# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The ground of a busy street: patches, arrows, hatched areas, yards and car parks."""

from __future__ import annotations

import cv2
import numpy as np

from trt_segmentation.street.canvas import MARKING, ROAD, VEGETATION
from trt_segmentation.street.ground import Ground
from trt_segmentation.street.view import SceneView


class BusyGround(Ground):
    """A ground with patches, cracks, arrows and hatched areas."""

    rng = np.random.Generator(np.random.PCG64(1))
    base = VEGETATION
    """Class of the land beside the street: grass, a paved yard or a car park."""

    def _verges(self, view: SceneView) -> None:
        super()._verges(view)
        if self.base != VEGETATION:
            top = int(max(view.camera.horizon, 0))
            colour = view.look.road if self.base == ROAD else view.look.walk
            cv2.rectangle(view.canvas.pixels, (0, top), (view.canvas.width, view.canvas.height),
                          (*colour, self.base), -1)

    def _paint(self, view: SceneView) -> None:
        rng, plan = self.rng, self._plan
        right, left = (side.edge for side in plan.sides)
        for _ in range(int(rng.integers(0, 8))):
            s, t = view.s + rng.uniform(3, 40), rng.uniform(-right, left)
            long, wide = rng.uniform(0.4, 12), rng.uniform(0.05, 2.5)
            colour = [part * rng.uniform(0.6, 1.25) for part in view.look.road]
            outline = self._strip(view, np.linspace(s, s + long, 4), max(t - wide, -right),
                                  min(t + wide, left))
            view.canvas.fill([outline], np.minimum(colour, 255).tolist(), ROAD)
        super()._paint(view)
        fade = self._wear
        paint = [a * (1 - fade) + b * fade for a, b in zip(view.look.paint, view.look.road)]
        if rng.random() < 0.3:
            paint = [60, 190, 225]
        outlines = []
        for _ in range(int(rng.integers(0, 4))):
            s = view.s + rng.uniform(4, 30)
            t = rng.uniform(-right + 0.5, left - 0.5)
            kind = rng.random()
            if kind < 0.4:                      # an arrow
                long = rng.uniform(2, 5)
                outlines += [self._strip(view, np.array([s, s + long]), t - 0.1, t + 0.1)]
                head = view.road.at(np.array([s + long, s + long, s + long + 1.4]),
                                    np.array([t - 0.5, t + 0.5, t]))
                outlines.append(view.camera.outline(head))
            elif kind < 0.7:                    # bars of hatching
                for index in range(int(rng.integers(3, 9))):
                    bar = view.road.at(
                        s + index * 1.2 + np.array([0, 0.3, 1.5, 1.2]),
                        np.array([t - 1.2, t - 1.2, t + 1.2, t + 1.2]))
                    outlines.append(view.camera.outline(bar))
            else:                               # a second line along the kerb
                edge = rng.choice((-right + 0.3, left - 0.3))
                near = view.s + np.arange(-2, 40, 2.0)
                outlines.append(self._strip(view, near, edge - 0.06, edge + 0.06))
        view.canvas.fill(outlines, paint, MARKING)
