# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Score networks on the photographs of CamVid, to see what the drawings miss.

    python training/camvid.py --data CamVid --splits train val FILE.onnx [FILE.onnx ...]

CamVid (480 x 360 PNG, labels 0 to 11) is not part of this repository. The script prints the IoU
of the nine classes that CamVid shares with the drawn streets, by day and at dusk. Fences,
bicyclists and unlabelled pixels do not count. No photograph takes part in a training.
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


def segment(session: onnxruntime.InferenceSession, image: np.ndarray) -> np.ndarray:
    """Return the class ids of an image, at its size."""
    x = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
    x = (x.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    (logits,) = session.run(None, {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})
    size = image.shape[1::-1]
    return cv2.resize(logits[0].transpose(1, 2, 0), size,
                      interpolation=cv2.INTER_LINEAR).argmax(2)


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
    print('network', 'light', 'mean', 'pixels', *names, sep='\t')
    for path in args.networks:
        session = onnxruntime.InferenceSession(str(path))
        tables = {light: np.zeros((len(names),) * 2, np.int64) for light in ('day', 'dusk')}
        for split in args.splits:
            for photo in sorted((args.data / split).glob('*.png'))[::args.step]:
                truth = known[cv2.imread(str(args.data / f'{split}annot' / photo.name),
                                         cv2.IMREAD_GRAYSCALE)]
                found, counts = ours[segment(session, cv2.imread(str(photo)))], truth != 255
                table = tables['dusk' if photo.name.startswith('0001TP') else 'day']
                table += np.bincount(truth[counts] * len(names) + found[counts],
                                     minlength=table.size).reshape(table.shape)
        for light, table in {**tables, 'all': tables['day'] + tables['dusk']}.items():
            hit = np.diag(table)
            iou = hit / np.maximum(table.sum(0) + table.sum(1) - hit, 1)
            print(path.stem, light, *(f'{v:.3f}' for v in (
                iou.mean(), hit.sum() / max(table.sum(), 1), *iou)), sep='\t', flush=True)


if __name__ == '__main__':
    main()
