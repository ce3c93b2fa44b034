# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Choose packages that make segmentation faster on this machine.

``./dev demo`` runs this file as a program, before it installs packages for a GPU.
"""

from __future__ import annotations

from pathlib import Path
import sys

from ...engines.nvidia_driver import ask_driver, Driver
from ...installed.pip_names import GPU_SETS, pip_install
from .choice import choose_engine, EngineChoice
from .libraries import can_run_cuda13, NO_TENSORRT, rtx_fits

PYTHON = sys.version_info[:2]


def choose_set(found: Driver, gpu: int = 0) -> tuple[str, str]:
    """Choose the packages that fit a GPU and its driver.

    :param gpu: index of the GPU in CUDA's order.
    :returns: a key of :data:`.GPU_SETS`, and an empty text. If no packages fit, the key is empty,
        and the text is the reason.
    """
    chosen, why_not = found.gpu_or_why_not(gpu)
    if chosen is None:
        return '', why_not
    if PYTHON < (3, 11):
        return '', ('the packages for the GPU need Python 3.11 or newer, and this is '
                    f'Python {PYTHON[0]}.{PYTHON[1]}')
    if can_run_cuda13(found, gpu):
        return 'tensorrt-rtx' if rtx_fits('RTX', chosen.capability) else 'cuda13', ''
    if found.cuda >= (12, 0):
        return 'cuda12', ''
    return '', (f'the packages for the GPU need a driver for CUDA 12, and this driver runs only '
                f'CUDA {found.cuda[0]}.{found.cuda[1]}')


def advise_faster(found: Driver, choice: EngineChoice, gpu: int = 0) -> str:
    """Return a line with the command that makes segmentation faster.

    If there is no such command, the line says why.
    """
    name, why_not = choose_set(found, gpu)
    if choice.taken == 'tensorrt':
        return 'nothing to install: the best engine, tensorrt, is already used'
    if 'without a driver' in why_not:
        return 'faster: sudo ubuntu-drivers install, then restart the machine'
    if not name:
        return f'nothing to install: {why_not}'
    if choice.taken == 'onnxruntime-cuda' and name == 'cuda12':
        return f'nothing to install: {NO_TENSORRT}'
    if choice.taken == 'onnxruntime-cuda' and name == 'cuda13':
        return f'faster: {pip_install("tensorrt-cu13", "onnx", "onnxslim", "filelock")}'
    if (Path(sys.prefix) / 'installed').exists():   # ./dev made this environment
        return 'faster: ./dev demo'
    # The packages onnxruntime and onnxruntime-gpu write to the same folder. So onnxruntime must
    # be removed before onnxruntime-gpu is installed.
    before = '' if name == 'tensorrt-rtx' else 'pip uninstall --yes onnxruntime && '
    return f'faster: {before}{pip_install(*GPU_SETS[name])}'


def main() -> None:
    """Print which packages ``./dev demo`` must install, as a key of :data:`.GPU_SETS`.

    The key is empty if a GPU can be used already, or if no packages fit. One line on stderr says
    what was found.
    """
    found = ask_driver()
    choice = choose_engine(found)
    name, why_not = choose_set(found)
    if choice.taken in ('tensorrt', 'onnxruntime-cuda'):
        name, said = '', f'{choice.taken} is installed and uses {found.gpus[0].name}'
    elif name:
        said = f'{found.gpus[0].name} needs the packages of requirements/{name}.lock'
    else:
        said = f'the CPU runs the network: {why_not}'
    print(f'./dev: {said}', file=sys.stderr)
    print(name)


if __name__ == '__main__':
    main()
