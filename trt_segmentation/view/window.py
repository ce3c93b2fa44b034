# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows one picture after another in a window. This module needs a display and tkinter."""

from __future__ import annotations

import time

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ViewError

SCREEN_SHARE = 0.9
"""Largest share of the screen width, and of the screen height, that a picture takes."""


class PictureWindow:
    """A window for one picture at a time. Call all methods from one thread.

    A picture that is larger than the screen is shown smaller. The user closes the window with the
    close button, with q or with Esc.

    :param instead: end of the error message. It says what the user can do without a window.
    :ivar is_closed: whether the user closed the window.
    :raises ViewError: if there is no display, or if Python has no tkinter.
    """

    def __init__(self, title: str, instead: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise ViewError(f'a window needs tkinter, and this Python has no tkinter ({error}); '
                            'on Debian and Ubuntu: sudo apt install python3-tk') from error
        self._tkinter = tkinter
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise ViewError(f'a window cannot be opened here: {error}. Instead, '
                            f'{instead}') from error
        self.is_closed = False
        self._root.title(title)
        self._root.protocol('WM_DELETE_WINDOW', self._note_closed)
        for key in ('q', 'Escape'):
            self._root.bind(f'<KeyPress-{key}>', lambda _: self._note_closed())
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._picture: object = None

    def __enter__(self) -> PictureWindow:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, bgr: npt.NDArray[np.uint8]) -> None:
        """Show a picture. If the window is closed, this method does nothing.

        :param bgr: (height, width, 3) uint8 BGR. The array is copied.
        """
        if self.is_closed:
            return
        height, width, _ = bgr.shape
        scale = min(1.0, SCREEN_SHARE * self._root.winfo_screenwidth() / width,
                    SCREEN_SHARE * self._root.winfo_screenheight() / height)
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
        ppm = cv2.imencode('.ppm', bgr)[1].tobytes()
        # Tk shows a picture only as long as Python has a reference to this picture.
        self._picture = picture = self._tkinter.PhotoImage(data=ppm, format='PPM')
        self._label.configure(image=picture)
        self.update()

    def update(self) -> None:
        """Handle keys and mouse. Call this method several times a second."""
        if not self.is_closed:
            self._root.update()

    def wait_until_closed(self) -> None:
        """Show the picture until the user closes the window."""
        while not self.is_closed:
            self._root.update()
            time.sleep(0.02)

    def close(self) -> None:
        """Close the window. A second call does nothing."""
        self.is_closed = True
        if self._root is not None:
            self._picture = None
            self._root.destroy()
            self._root = None   # type: ignore[assignment]

    def _note_closed(self) -> None:
        self.is_closed = True
