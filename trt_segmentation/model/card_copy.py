# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a copy of a model card with another temperature. The card itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..errors import ModelCardError
from ..untrusted.output_files import KEY, MARKER, write_file
from ..untrusted.yaml_file import read_yaml
from .card import ModelCard


def save_with_temperature(card: ModelCard, temperature: float, path: Path, option: str) -> None:
    """Write a copy of a card, with all other values of the card, but without its comments.

    :param option: name of the command-line option that gave ``path``, for messages.
    :raises ModelCardError: if the card has no file, or if its file cannot be read any more.
    :raises OutputError: if the copy cannot be written, or would replace a file of the user.
    """
    if card.source is None:
        raise ModelCardError(f'the card {card.name} has no file, so it cannot be copied')
    try:
        tree = read_yaml(card.source)
    except (OSError, ValueError) as error:
        raise ModelCardError(f'{card.source}: cannot be read as YAML: {error}') from error
    folder = path.resolve().parent
    tree |= {'name': card.name, 'model': _name_from(folder, card.model),
             'output': {**(tree.get('output') or {}), 'temperature': round(temperature, 4)}}
    if card.plugins:
        tree['plugins'] = [_name_from(folder, plugin) for plugin in card.plugins]
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=99)
    write_file(path, f'# {KEY}: {MARKER}\n{text}'.encode(), option)


def _name_from(folder: Path, path: Path) -> str:
    full = path.resolve()
    return str(full.relative_to(folder) if full.is_relative_to(folder) else full)
