# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images whose pixels say which camera took them and as which number, and a network that reads it.

An image is eight upright strips, each in one of eight colours far apart: six octal digits of the
number, one of the camera, one of their sum. The network knows the colours, so a label map that is
right says the same, and one that is stale, another camera's or shifted says something else.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from networks import color_card, color_classifier, cube_colors, write_card
import numpy as np
from sensor_msgs.msg import Image

from trt_segmentation.model.card import ModelCard

STRIPS = 8
HEIGHT, WIDTH = 48, 64
PALETTE = cube_colors(8)
CHANNELS = {'bgr8': (2, 1, 0), 'rgb8': (0, 1, 2), 'bgra8': (2, 1, 0, 0), 'rgba8': (0, 1, 2, 0)}
FIRST_SECOND = 1000
"""Stamp, in seconds, of the images of camera 0; camera 1 has the next second and so on."""


def numbered_image(number: int, camera: int = 0, height: int = HEIGHT, width: int = WIDTH,
                   encoding: str = 'bgr8') -> Image:
    """The image; its stamp and frame_id say the same as its pixels."""
    columns = np.array(digits(number, camera))[np.arange(width) * STRIPS // width]
    row = PALETTE[columns][:, CHANNELS[encoding]]
    pixels = np.ascontiguousarray(np.broadcast_to(row, (height, *row.shape)))
    message = Image(height=height, width=width, encoding=encoding, step=pixels.strides[0],
                    data=array('B', pixels.tobytes()))
    message.header.stamp.sec, message.header.stamp.nanosec = FIRST_SECOND + camera, number
    message.header.frame_id = f'camera {camera}'
    return message


def digits(number: int, camera: int) -> list[int]:
    """The labels of the strips."""
    own = [number >> 3 * place & 7 for place in range(6)] + [camera]
    return [*own, sum(own) & 7]


def read(message: Image) -> tuple[int, int]:
    """Number and camera that a label map shows; fails where it shows no image of ours."""
    labels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    centres = (2 * np.arange(STRIPS) + 1) * message.width // (2 * STRIPS)
    shown = labels[:, centres]
    assert (shown == shown[0]).all(), 'the rows of a label map differ'
    found = [int(digit) for digit in shown[0]]
    number = sum(digit << 3 * place for place, digit in enumerate(found[:6]))
    assert digits(number, found[6]) == found, f'strips {found} are of no image that was sent'
    return number, found[6]


def network(folder: Path) -> ModelCard:
    """Write the network; returns its card."""
    return color_card(color_classifier(folder / 'digits.onnx', PALETTE), PALETTE)


def card_file(folder: Path) -> Path:
    """Write the network and a model card; returns the card's path."""
    card = network(folder)
    return write_card(card.model, card.classes, card.palette)
