"""Numbers as colours, and pictures as PNG bytes, without any package."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

#: Blue for negative, white for 0, red for positive numbers.
DIVERGING = np.array(
    [[33, 82, 158], [146, 190, 222], [247, 247, 247], [244, 165, 130], [160, 20, 40]]
)
#: From dark to light.
SEQUENTIAL = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]])
#: Colours of classes.
CLASSES = np.array(
    [[68, 119, 170], [238, 102, 119], [34, 136, 51], [204, 187, 68], [102, 204, 238],
     [170, 51, 119], [187, 187, 187], [238, 119, 51], [0, 153, 136], [51, 34, 136]]
)  # fmt: skip


def coloured(values: NDArray[Any], low: float, high: float, ramp: NDArray[Any]) -> Pixels:
    """Numbers as colours of a ramp; what is no finite number becomes grey.

    **Shapes** ``values: (...) -> (..., 3)``

    >>> coloured(np.array([-1.0, 0.0, 1.0]), -1.0, 1.0, DIVERGING)[1].tolist()
    [247, 247, 247]
    """
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    low, high = (float(end) if np.isfinite(end) else 0.0 for end in (low, high))
    span = high - low if high > low else 1.0
    place = np.clip((np.where(finite, numbers, low) - low) / span, 0.0, 1.0) * (len(ramp) - 1)
    left = np.minimum(place.astype(int), len(ramp) - 2)
    share = (place - left)[..., None]
    mixed = ramp[left] * (1.0 - share) + ramp[left + 1] * share
    mixed[~finite] = 128
    return np.asarray(np.round(mixed), np.uint8)


def hex_colour(colour: NDArray[Any]) -> str:
    """A colour as HTML writes it.

    >>> hex_colour(np.array([255, 0, 16]))
    '#ff0010'
    """
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def png_bytes(pixels: Pixels) -> bytes:
    """A picture as a PNG file. **Shapes** ``pixels: (H, W, 3)``

    W3C, "Portable Network Graphics (PNG) specification", third edition, 2025.

    >>> png_bytes(np.zeros((2, 2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # Each line starts with the number of its filter, 0: none.
    lines = np.concatenate(
        [np.zeros((height, 1), np.uint8), pixels.reshape(height, 3 * width)], axis=1
    )
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def data_uri(pixels: Pixels) -> str:
    """A picture inside an HTML page."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode("ascii")


def mosaic(tiles: Pixels, columns: int) -> Pixels:
    """Tiles beside and below each other, with a line of white between.

    **Shapes** ``tiles: (T, H, W, 3) -> (rows (H + 1) - 1, columns (W + 1) - 1, 3)``

    >>> mosaic(np.zeros((3, 4, 5, 3), np.uint8), 2).shape
    (9, 11, 3)
    """
    count, height, width, _ = tiles.shape
    rows = -(-count // columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 255, np.uint8)
    for place in range(count):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        whole[top : top + height, left : left + width] = tiles[place]
    return whole


def picture_of_data(example: NDArray[Any]) -> Pixels | None:
    """An example as a picture, from black to white or in three colours; None if it is none.

    **Shapes** ``example: (H, W), (H, W, 1)`` or ``(H, W, 3) -> (H, W, 3)``
    """
    shape = example.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        return None
    values = np.asarray(example, np.float64)
    low, high = float(values.min()), float(values.max())
    if len(shape) == 3 and shape[2] == 3:
        return np.asarray(np.round(255.0 * (values - low) / ((high - low) or 1.0)), np.uint8)
    return coloured(values.reshape(shape[:2]), low, high, np.array([[0, 0, 0], [255, 255, 255]]))
