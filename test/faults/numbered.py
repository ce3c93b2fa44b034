# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images that show their own number and camera, and a network that reads both.

An image has eight vertical strips, each in one of eight colours. A colour is an octal digit. Six
digits are the image's number, one is the camera, and one is the sum of the others. The network
maps colours to labels, so a right label map shows the same digits. A stale or shifted label map
shows other digits, and so does the label map of another camera.
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
"""The images of camera N have a stamp of FIRST_SECOND + N seconds."""


def numbered_image(number: int, camera: int = 0, height: int = HEIGHT, width: int = WIDTH,
                   encoding: str = 'bgr8') -> Image:
    """Make an image. Its stamp, its frame_id and its pixels name its number and its camera."""
    columns = np.array(digits(number, camera))[np.arange(width) * STRIPS // width]
    row = PALETTE[columns][:, CHANNELS[encoding]]
    pixels = np.ascontiguousarray(np.broadcast_to(row, (height, *row.shape)))
    message = Image(height=height, width=width, encoding=encoding, step=pixels.strides[0],
                    data=array('B', pixels.tobytes()))
    message.header.stamp.sec, message.header.stamp.nanosec = FIRST_SECOND + camera, number
    message.header.frame_id = f'camera {camera}'
    return message


def digits(number: int, camera: int) -> list[int]:
    own = [number >> 3 * place & 7 for place in range(6)] + [camera]
    return [*own, sum(own) & 7]


def read(message: Image) -> tuple[int, int]:
    """Read the number and the camera from a label map. Fail if the digit of the sum is wrong."""
    labels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    centres = (2 * np.arange(STRIPS) + 1) * message.width // (2 * STRIPS)
    shown = labels[:, centres]
    assert (shown == shown[0]).all(), 'the rows of a label map differ'
    found = [int(digit) for digit in shown[0]]
    number = sum(digit << 3 * place for place, digit in enumerate(found[:6]))
    assert digits(number, found[6]) == found, f'no image has the strips {found}'
    return number, found[6]


def network(folder: Path) -> ModelCard:
    return color_card(color_classifier(folder / 'digits.onnx', PALETTE), PALETTE)


def card_file(folder: Path) -> Path:
    """Write the network and a model card, and return the path of the card."""
    card = network(folder)
    return write_card(card.model, card.classes, card.palette)
