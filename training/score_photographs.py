# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Score networks like the demo model on photographs, to see what the drawings miss.

    python training/score_photographs.py FILE.onnx [FILE.onnx ...] --data CamVid --splits train val

--data is the folder CamVid, see ``benchmarks/photographs.py``. The script prints the mean IoU of
nine classes, the pixel accuracy, the area under the risk-coverage curve and the IoU of each class
by day, at dusk and of all photographs. It needs no GPU. No photograph takes part in a training.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from camvid import (  # type: ignore[import-not-found]  # noqa: E402
    read_photographs,
    risk_coverage_area,
    score_by_light,
    STREET_NAMES,
)

from trt_segmentation.host.pipeline import HostPipeline  # noqa: E402
from trt_segmentation.model.card import load_card  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--splits', nargs='+', default=['train', 'val'])
    parser.add_argument('--step', type=int, default=1, help='use only every step-th photograph')
    parser.add_argument('networks', type=Path, nargs='+')
    args = parser.parse_args()
    samples = [sample for split in args.splits
               for sample in read_photographs(args.data, split, args.step)]
    print('network', 'light', 'mean', 'pixels', 'risk', *STREET_NAMES, sep='\t')
    for path in args.networks:
        pipeline = HostPipeline(replace(load_card('street'), model=path))
        found = score_by_light(pipeline, samples, 1)
        pipeline.close()
        for light, (scores, trust) in found.items():
            row = (scores.mean_iou, scores.pixel_accuracy, risk_coverage_area(trust), *scores.iou)
            print(path.stem, light, *(f'{value:.3f}' for value in row), sep='\t', flush=True)


if __name__ == '__main__':
    main()
