# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""PictureWindow on a fake tkinter, because the real tkinter needs a display."""

import sys
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from trt_segmentation.errors import ViewError
from trt_segmentation.view.window import PictureWindow


class FakeTk:
    """A root window on a screen of 200x100 pixels. ``press`` has the callback of each key."""

    last: Any

    def __init__(self):
        FakeTk.last = self
        self.press, self.updates, self.is_destroyed = {}, 0, False

    def title(self, text):
        self.name = text

    def protocol(self, name, call):
        self.press[name] = call

    def bind(self, name, call):
        self.press[name] = lambda: call(None)

    def winfo_screenwidth(self):
        return 200

    def winfo_screenheight(self):
        return 100

    def update(self):
        self.updates += 1
        if self.updates == 5:
            self.press['<KeyPress-q>']()

    def destroy(self):
        self.is_destroyed = True


@pytest.fixture
def shown(monkeypatch):
    """Return the list of BGR pictures that the window shows."""
    pictures: list[Any] = []

    def photo(data, format):
        assert format == 'PPM'
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    label = SimpleNamespace(pack=lambda: None, configure=lambda image: pictures.append(image))
    monkeypatch.setitem(sys.modules, 'tkinter', SimpleNamespace(
        Tk=FakeTk, TclError=RuntimeError, PhotoImage=photo, Label=lambda *_, **__: label))
    return pictures


def test_a_picture_is_shown_and_a_large_one_smaller(shown):
    small, large = np.full((40, 60, 3), (1, 2, 3), np.uint8), np.zeros((300, 200, 3), np.uint8)
    with PictureWindow('street.jpg', 'save it') as window:
        window.show(small)
        window.show(large)
    assert FakeTk.last.name == 'street.jpg' and FakeTk.last.is_destroyed
    assert (shown[0] == small).all() and shown[1].shape == (90, 60, 3)


@pytest.mark.parametrize('key', ['WM_DELETE_WINDOW', '<KeyPress-q>', '<KeyPress-Escape>'])
def test_the_user_closes_it(shown, key):
    window = PictureWindow('x', 'save it')
    assert not window.is_closed
    FakeTk.last.press[key]()
    window.show(np.zeros((4, 4, 3), np.uint8))
    window.update()
    window.wait_until_closed()
    assert window.is_closed and not shown and not FakeTk.last.updates
    window.close()
    window.close()


def test_waiting_until_the_user_closes_it(shown):
    with PictureWindow('x', 'save it') as window:
        window.wait_until_closed()
        assert window.is_closed and FakeTk.last.updates == 5


def test_a_window_that_cannot_be_opened(monkeypatch, shown):
    def fail():
        raise RuntimeError('no display name')
    sys.modules['tkinter'].Tk = fail  # type: ignore[attr-defined]
    with pytest.raises(ViewError, match=r'opened here: no display name\. Instead, save it'):
        PictureWindow('x', 'save it')
    monkeypatch.setitem(sys.modules, 'tkinter', None)
    with pytest.raises(ViewError, match=r'needs tkinter.*sudo apt install python3-tk'):
        PictureWindow('x', 'save it')
