# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A YAML file that is too large is refused before the rest of the file is parsed."""

import pytest

from trt_segmentation.model.card import MAX_CLASSES
from trt_segmentation.untrusted import yaml_file
from trt_segmentation.untrusted.yaml_file import read_yaml

BROKEN = '\n}'          # PyYAML refuses this end if it parses so far


@pytest.mark.parametrize('text, words', [
    ('classes: [' + 'a,' * 101 + BROKEN, 'line 1: a list or mapping has more than 100 items'),
    ('classes:\n' + '- a\n' * 101 + BROKEN, 'line 102: a list or mapping has more than 100 items'),
    ('a: b\n' * 101 + BROKEN, 'line 101: a list or mapping has more than 100 items'),
    ('[' + '[a, b],' * 100 + BROKEN, 'line 1: the file has more than 250 values'),
    ('[' + 'a,' * 50 + BROKEN, r'line 2, column 1: .*\}')])
def test_too_many_items_are_refused_before_the_end_is_parsed(tmp_path, monkeypatch, text, words):
    monkeypatch.setattr(yaml_file, 'MAX_ITEMS', 100)
    monkeypatch.setattr(yaml_file, 'MAX_NODES', 250)
    path = tmp_path / 'large.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_yaml(path)


def test_each_label_of_uint16_can_have_an_entry(tmp_path):
    """A card may name all classes, and a value map may list each value."""
    assert MAX_CLASSES < yaml_file.MAX_ITEMS == 1 << 16
    assert 2 * yaml_file.MAX_ITEMS < yaml_file.MAX_NODES
    path = tmp_path / 'map.yaml'
    path.write_text(''.join(f'{value}: {value % 4}\n' for value in range(300)))
    assert read_yaml(path) == {value: value % 4 for value in range(300)}
