# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""All commands and the pipeline share the defaults of a build."""

from pathlib import Path
import subprocess
import sys

from trt_segmentation.builder.settings import (
    BEST_METHOD,
    BuildOptions,
    CALIBRATION_FRAMES,
    FALLBACK_METHOD,
    HELD_OUT_FRAMES,
    METHODS,
    Recipe,
)
from trt_segmentation.commands.build_options import BuildCommandOptions
from trt_segmentation.int8.histograms import LIMITS
from trt_segmentation.pipeline import EngineSettings

ROOT = Path(__file__).parents[2]


def test_a_build_by_hand_and_a_build_of_the_pipeline_have_equal_defaults():
    command, pipeline = BuildCommandOptions('card'), EngineSettings()
    assert BuildOptions(command.workspace, command.level, arch=command.arch) == BuildOptions(
        pipeline.workspace, pipeline.level) == BuildOptions()
    assert Recipe(command.precision, command.shapes, command.batch,
                  simplify=command.simplify) == Recipe()
    assert (command.method, command.frames, command.hold_out_frames) == (
        BEST_METHOD, CALIBRATION_FRAMES, HELD_OUT_FRAMES)


def test_every_calibration_method_has_its_limit():
    assert set(METHODS) == set(LIMITS) and FALLBACK_METHOD in METHODS
    assert BEST_METHOD not in METHODS


def test_the_defaults_need_no_heavy_library():
    code = ('import sys\n'
            'import trt_segmentation.builder.settings\n'
            'print(sorted({"numpy", "onnx", "onnxruntime", "tensorrt"} & set(sys.modules)))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == '[]\n', done.stderr
