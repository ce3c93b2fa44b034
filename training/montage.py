# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Show drawn scenes beside versions of them in random styles, as the training sees them.

    python training/montage.py OUT.jpg [--seed 500] [--scenes 5] [--styles 3]

A GPU is not needed. The first column shows the drawings, and the last one their classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from drawings.busy_street import Bank, BusyDrive
import numpy as np
from restyle import Restyler, Style
import torch

from trt_segmentation.model.card import load_card

WIDTH, HEIGHT = 384, 216


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('out', type=Path)
    parser.add_argument('--seed', type=int, default=500)
    parser.add_argument('--scenes', type=int, default=5)
    parser.add_argument('--styles', type=int, default=3)
    args = parser.parse_args()
    drives = [BusyDrive(args.seed + i, Bank.paint(args.seed + i), 2 * WIDTH, 2 * HEIGHT)
              for i in range(args.scenes)]
    images, codes = zip(*(drive.codes() for drive in drives))
    palette = np.zeros((256, 3), np.uint8)
    palette[:250] = np.tile(load_card('street').palette, (25, 1))[:, ::-1]
    random = torch.Generator().manual_seed(args.seed)
    restyler = Restyler(Style(), random)
    x = torch.from_numpy(np.stack(images)).flip(-1).permute(0, 3, 1, 2).float() / 255
    known = torch.from_numpy(np.stack(codes)).long()
    styled = [(restyler(x, known) * 255).byte().permute(0, 2, 3, 1).flip(-1).numpy()
              for _ in range(args.styles)]
    rows = [np.hstack([cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
                       for picture in row])
            for row in zip(images, *styled, [palette[found] for found in codes])]
    if not cv2.imwrite(str(args.out), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 78]):
        raise SystemExit(f'cannot write {args.out}')


if __name__ == '__main__':
    main()
