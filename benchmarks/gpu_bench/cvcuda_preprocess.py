# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Print how long CV-CUDA takes from 1080p bgr8 to a normalised float16 NCHW tensor, as JSON."""

from __future__ import annotations

import json
import sys
from time import perf_counter

import cvcuda
import torch

frame = torch.randint(0, 256, (1, 1080, 1920, 3), dtype=torch.uint8, device='cuda')
mean = torch.tensor([0.485, 0.456, 0.406], device='cuda').reshape(1, 1, 1, 3)
std = torch.tensor([0.229, 0.224, 0.225], device='cuda').reshape(1, 1, 1, 3)
image, base, scale = (cvcuda.as_tensor(t, 'NHWC') for t in (frame, mean, std))


def once() -> object:
    """Run the operators of NVIDIA's segmentation sample, in the same order."""
    small = cvcuda.resize(image, (1, 512, 1024, 3), cvcuda.Interp.LINEAR)
    rgb = cvcuda.cvtcolor(small, cvcuda.ColorConversion.BGR2RGB)
    wide = cvcuda.convertto(rgb, cvcuda.Type.F32, scale=1 / 255)
    normal = cvcuda.normalize(wide, base=base, scale=scale,
                              flags=cvcuda.NormalizeFlags.SCALE_IS_STDDEV)
    return torch.as_tensor(cvcuda.reformat(normal, 'NCHW').cuda(), device='cuda').half()


for _ in range(20):
    once()
torch.cuda.synchronize()
took = []
for _ in range(5):
    began = perf_counter()
    for _ in range(200):
        once()
    torch.cuda.synchronize()
    took.append((perf_counter() - began) * 1e3 / 200)
sys.stdout.write(json.dumps({'ms': sorted(took)[2]}) + '\n')
