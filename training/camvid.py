# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Score networks on the photographs of CamVid, to see what the drawings miss.

    python training/camvid.py --data CamVid --splits train val FILE.onnx [FILE.onnx ...]

CamVid (480 x 360 PNG, labels 0 to 11) is not part of this repository. The script prints the IoU
of the nine classes that CamVid shares with the drawn streets, by day and at dusk. It also prints
the area under the risk-coverage curve of the confidence. Fences, bicyclists and unlabelled pixels
do not count. No photograph takes part in a training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from scenes import HEIGHT, MEAN, STD, WIDTH

from trt_segmentation.street import CLASSES

SHARED = {'sky': 0, 'building': 1, 'pole': 2, 'road': 3, 'sidewalk': 4, 'vegetation': 5,
          'traffic sign': 6, 'vehicle': 8, 'person': 9}
"""The class ids of CamVid. Its road contains the lane markings."""


BINS = 200
"""Number of steps of the confidence."""


def segment(session: onnxruntime.InferenceSession, image: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Return the class ids of an image and their probabilities, at the size of the image."""
    x = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
    x = (x.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    (logits,) = session.run(None, {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})
    size = image.shape[1::-1]
    logits = cv2.resize(logits[0].transpose(1, 2, 0), size, interpolation=cv2.INTER_LINEAR)
    best = logits.max(2, keepdims=True)
    return logits.argmax(2), 1 / np.exp(logits - best).sum(2)


def risk_area(right: np.ndarray, wrong: np.ndarray) -> float:
    """Return the area under the risk-coverage curve: 0 is best, the error rate is chance.

    :param right: (BINS,) numbers of right pixels for each confidence, the lowest first.
    """
    covered = np.cumsum((right + wrong)[::-1])
    risk = np.cumsum(wrong[::-1]) / np.maximum(covered, 1)
    return float((risk * (right + wrong)[::-1]).sum() / max(covered[-1], 1))


class Tally:
    """What is counted under one light.

    :ivar table: (classes, classes) confusion matrix.
    :ivar pixels: (2, BINS) numbers of wrong and of right pixels for each confidence.
    """

    def __init__(self) -> None:
        self.table = np.zeros((len(SHARED),) * 2, np.int64)
        self.pixels = np.zeros((2, BINS), np.int64)

    def add(self, truth: np.ndarray, found: np.ndarray, confidence: np.ndarray) -> None:
        """Count (N,) pixels."""
        count = len(SHARED)
        self.table += np.bincount(truth * count + found, minlength=count ** 2).reshape(count, -1)
        level = np.minimum((confidence * BINS).astype(int), BINS - 1)
        self.pixels += np.bincount((truth == found) * BINS + level,
                                   minlength=2 * BINS).reshape(2, BINS)

    def __add__(self, other: Tally) -> Tally:
        both = Tally()
        both.table, both.pixels = self.table + other.table, self.pixels + other.pixels
        return both

    def row(self) -> list[float]:
        """Return the mean IoU, the pixel accuracy, the risk area and the IoU of every class."""
        hit = np.diag(self.table)
        iou = hit / np.maximum(self.table.sum(0) + self.table.sum(1) - hit, 1)
        wrong, right = self.pixels
        return [float(iou.mean()), float(hit.sum() / max(self.table.sum(), 1)),
                risk_area(right, wrong), *iou.tolist()]


def main() -> None:
    """Score every network."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--splits', nargs='+', default=['train', 'val'])
    parser.add_argument('--step', type=int, default=1, help='use only every step-th photograph')
    parser.add_argument('networks', type=Path, nargs='+')
    args = parser.parse_args()
    names = list(SHARED)
    known = np.full(256, 255)
    known[list(SHARED.values())] = range(len(names))
    ours = np.array([names.index('road' if name == 'lane marking' else name) for name in CLASSES])
    print('network', 'light', 'mean', 'pixels', 'risk', *names, sep='\t')
    for path in args.networks:
        session = onnxruntime.InferenceSession(str(path))
        day, dusk = Tally(), Tally()
        for split in args.splits:
            for photo in sorted((args.data / split).glob('*.png'))[::args.step]:
                truth = known[cv2.imread(str(args.data / f'{split}annot' / photo.name),
                                         cv2.IMREAD_GRAYSCALE)]
                found, confidence = segment(session, cv2.imread(str(photo)))
                counts = truth != 255
                tally = dusk if photo.name.startswith('0001TP') else day
                tally.add(truth[counts], ours[found[counts]], confidence[counts])
        for light, tally in (('day', day), ('dusk', dusk), ('all', day + dusk)):
            print(path.stem, light, *(f'{v:.3f}' for v in tally.row()), sep='\t', flush=True)


if __name__ == '__main__':
    main()
