"""An embedded set of drawn digits in MNIST's format, for machines without MNIST and without a network.

Every image is a glyph of a few strokes, with jittered control points, bent by a random affine map and rendered through
its distance field. The set is the same everywhere and always: the draws are raw 64-bit words of PCG64 seeded through
SeedSequence (both are promised to be stable by NumPy's NEP 19, the methods of Generator are not), and all arithmetic on
them is elementwise + - * / sqrt, which IEEE 754 fixes to the last bit (no BLAS, no sin, no exp).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import ceil, fsum

import numpy as np
from numpy.typing import NDArray

from grader.data.dataset import Bytes, Dataset
from grader.records import Floats

TRAIN, TEST = 8800, 1168  # 68 batches of 128 and one of 96; 9 of 128 and one of 16
_SEED = 20240229
_SIDE, _FIRST, _LAST = 28, 1, 27  # the image; the rows and columns that can hold ink
_SPACING = 0.03  # between points of a stroke, in heights of a glyph: about half a pixel
_TALL, _WIDE = 15.5, 11.5  # a glyph's box in pixels
_DRAWS = 48  # per image: 12 for its manner, the rest for its control points

Point = tuple[float, float]
Stroke = Sequence[Point]

# Control polygons in the unit box, x to the right, y down. A curve keeps the ends of its polygon and cuts its corners;
# a sharp corner is where one stroke ends and the next begins.
_GLYPHS: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (  # 0
        ([(0.5, 0), (0.05, 0), (-0.05, 0.5), (0.05, 1), (0.5, 1), (0.95, 1), (1.05, 0.5), (0.95, 0), (0.5, 0)],),
        ([(0.7, 0.02), (0.2, 0), (0, 0.6), (0.2, 1.05), (0.7, 1), (1, 0.5), (0.8, 0.05), (0.45, 0.1)],),
        ([(0.35, 0.05), (0.0, 0.3), (0.0, 0.9), (0.4, 1.1), (0.9, 0.9), (1.05, 0.3), (0.75, -0.05), (0.3, 0.0)],),
    ),
    (  # 1
        ([(0.5, 0), (0.5, 1)],),
        ([(0.2, 0.25), (0.55, 0)], [(0.55, 0), (0.5, 1)]),
        ([(0.25, 0.2), (0.55, 0)], [(0.55, 0), (0.5, 1)], [(0.2, 1), (0.85, 1)]),
    ),
    (  # 2
        ([(0.05, 0.2), (0.2, -0.02), (0.8, -0.05), (1, 0.25), (0.75, 0.6), (0, 1)], [(0, 1), (1, 1)]),
        ([(0.05, 0.15), (0.4, -0.1), (1, 0.1), (0.9, 0.5), (0.3, 0.9), (0, 1), (0.1, 0.75), (0.4, 0.85), (1, 1)],),
        ([(0.05, 0.1), (0.6, -0.12), (1, 0.15), (0.6, 0.6), (0.05, 1)], [(0.05, 1), (0.5, 0.9), (0.95, 0.98)]),
    ),
    (  # 3
        (
            [(0.05, 0.1), (0.5, -0.1), (1, 0.08), (0.85, 0.45), (0.35, 0.48)],
            [(0.35, 0.48), (0.95, 0.5), (1.05, 0.85), (0.5, 1.1), (0, 0.9)],
        ),
        ([(0.05, 0), (0.9, 0)], [(0.9, 0), (0.4, 0.4)], [(0.4, 0.4), (1, 0.45), (1.05, 0.95), (0.5, 1.08), (0, 0.9)]),
        ([(0.1, 0.05), (0.8, -0.08), (1, 0.35), (0.2, 0.5), (1, 0.55), (0.95, 1.05), (0.05, 0.97)],),
    ),
    (  # 4
        ([(0.1, 0), (0.05, 0.55)], [(0.05, 0.55), (0.95, 0.55)], [(0.8, 0), (0.75, 1)]),
        ([(0.75, 0), (0, 0.65)], [(0, 0.65), (1, 0.62)], [(0.75, 0), (0.75, 1)]),
        ([(0.15, 0), (-0.02, 0.4), (0.3, 0.65), (0.85, 0.5)], [(0.9, 0), (0.85, 0.5)], [(0.85, 0.5), (0.7, 1)]),
    ),
    (  # 5
        (
            [(0.9, 0), (0.2, 0)],
            [(0.2, 0), (0.12, 0.42)],
            [(0.12, 0.42), (0.6, 0.28), (1.05, 0.5), (0.95, 0.98), (0.4, 1.1), (0, 0.88)],
        ),
        ([(0.95, 0), (0.3, -0.04), (-0.05, 0.3), (0.4, 0.48), (1.05, 0.6), (0.85, 1.08), (0, 0.98)],),
        (
            [(1, 0.02), (0.2, 0)],
            [(0.2, 0), (0.1, 0.45)],
            [(0.1, 0.45), (0.75, 0.35), (1.05, 0.7), (0.7, 1), (0.05, 0.95)],
        ),
    ),
    (  # 6
        ([(0.75, 0), (0.2, 0.2), (-0.08, 0.7), (0.15, 1.05), (0.75, 1.08), (1, 0.75), (0.6, 0.48), (0.08, 0.7)],),
        ([(0.55, 0), (0.1, 0.4), (0, 0.95), (0.5, 1.1), (1, 0.9), (0.75, 0.6), (0.1, 0.85)],),
        ([(0.9, 0.05), (0.3, -0.02), (-0.05, 0.5), (0.1, 1.1), (0.95, 1.05), (0.95, 0.5), (0.4, 0.42), (0.05, 0.65)],),
    ),
    (  # 7
        ([(0, 0), (1, 0)], [(1, 0), (0.35, 1)]),
        ([(0, 0.03), (1, 0)], [(1, 0), (0.4, 1)], [(0.3, 0.5), (0.9, 0.48)]),
        ([(0, 0.15), (0.05, 0)], [(0.05, 0), (0.95, 0.03)], [(0.95, 0.03), (0.5, 0.45), (0.45, 1)]),
    ),
    (  # 8
        (
            [(0.9, 0.1), (0.4, -0.1), (0, 0.2), (0.4, 0.45), (1, 0.68), (0.9, 1.02), (0.5, 1.05)],
            [(0.5, 1.05), (0, 1), (0, 0.65), (0.6, 0.42), (0.98, 0.2), (0.9, 0.1)],
        ),
        (
            [(0.5, 0.45), (0.05, 0.42), (0.08, 0), (0.5, 0), (0.92, 0), (0.95, 0.42), (0.5, 0.45)],
            [(0.5, 0.45), (-0.05, 0.5), (0, 1), (0.5, 1), (1, 1), (1.05, 0.5), (0.5, 0.45)],
        ),
        (
            [(0.55, 0.5), (0.2, 0.3), (0.3, -0.05), (0.8, 0), (0.9, 0.3), (0.55, 0.5)],
            [(0.55, 0.5), (0.1, 0.7), (0.15, 1.1), (0.7, 1.05), (0.85, 0.7), (0.55, 0.5)],
        ),
    ),
    (  # 9
        ([(0.9, 0.15), (0.5, -0.1), (-0.05, 0.1), (0.1, 0.55), (0.65, 0.5), (0.9, 0.15)], [(0.9, 0.15), (0.85, 1)]),
        (
            [(0.9, 0.2), (0.45, -0.12), (-0.05, 0.2), (0.2, 0.58), (0.75, 0.45), (0.9, 0.2)],
            [(0.9, 0.2), (1, 0.75), (0.6, 1.05), (0.15, 0.95)],
        ),
        ([(0.95, 0.05), (0.4, -0.05), (0.02, 0.25), (0.3, 0.6), (0.95, 0.3)], [(0.95, 0.05), (0.75, 0.5), (0.55, 1)]),
    ),
)


def digits() -> Dataset:
    """8800 training and 1168 test images, uint8 (n, 28, 28), labels uint8 (n,) balanced and shuffled."""
    images, labels = _drawn()
    return Dataset(
        name="embedded",
        x_train=images[:TRAIN],
        y_train=labels[:TRAIN],
        x_test=images[TRAIN:],
        y_test=labels[TRAIN:],
    )


@cache
def _drawn() -> tuple[Bytes, Bytes]:
    """All images and labels, training before test, in an order that tells nothing of the label."""
    words = np.random.PCG64(_SEED).random_raw((TRAIN + TEST) * (_DRAWS + 2)).reshape(TRAIN + TEST, _DRAWS + 2)
    ranks = np.empty(len(words), dtype=np.int64)
    for part in (slice(0, TRAIN), slice(TRAIN, TRAIN + TEST)):
        ranks[part] = np.argsort(np.argsort(words[part, 0], kind="stable"), kind="stable")
    labels = (ranks % 10).astype(np.uint8)
    variants = words[:, 1] % np.uint64(3)
    chances = (words[:, 2:] >> np.uint64(11)).astype(np.float64) * 2.0**-53
    images = np.zeros((len(words), _SIDE, _SIDE), dtype=np.uint8)
    for digit, glyphs in enumerate(_GLYPHS):
        for number, strokes in enumerate(glyphs):
            chosen = np.flatnonzero((labels == digit) & (variants == number))
            images[chosen, _FIRST:_LAST, _FIRST:_LAST] = _render(strokes, chances[chosen])
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def _render(strokes: Sequence[Stroke], chances: Floats) -> Bytes:
    """Draw one glyph len(chances) times: the window of ink, uint8 (n, side, side)."""
    x, y = _placed(_jittered(strokes, chances[:, 12:]), chances)
    half_width = 1.5 + 0.75 * chances[:, 7] * chances[:, 8] + 0.25 * chances[:, 9]
    distance = np.sqrt(_squared_distance(x.astype(np.float32), y.astype(np.float32)))
    edge = half_width.astype(np.float32)[:, None, None] - distance
    ink = np.clip(edge / np.float32(3.2) + np.float32(0.55), 0, 1) * np.float32(255)
    drawn: Bytes = np.rint(ink).astype(np.uint8)
    return drawn


def _jittered(strokes: Sequence[Stroke], chances: Floats) -> tuple[Floats, Floats]:
    """The strokes' points x, y float64 (n, points) in the unit box, with every control point moved a little."""
    controls, weights = _weights(tuple(tuple(stroke) for stroke in strokes))
    x = np.zeros((len(chances), len(weights)))
    y = np.zeros_like(x)
    for number, (cx, cy) in enumerate(controls):
        column = chances[:, 2 * number : 2 * number + 2] - 0.5
        x += (cx + 0.36 * column[:, :1]) * weights[:, number]
        y += (cy + 0.26 * column[:, 1:]) * weights[:, number]
    return x, y


def _placed(points: tuple[Floats, Floats], chances: Floats) -> tuple[Floats, Floats]:
    """Scale, shear, turn and shift points of the unit box into pixels of the image, each image in its own way."""
    manner = [chances[:, [number]] - 0.5 for number in range(7)]
    x = (points[0] - 0.5) * _WIDE * (1.0 + 0.5 * manner[0])
    y = (points[1] - 0.5) * _TALL * (1.0 + 0.24 * manner[1])
    x = x - (0.1 + 0.8 * manner[2]) * y
    tangent = 0.3 * (manner[3] + manner[4])  # of half the angle: a rotation without sine and cosine
    cosine, sine = (1.0 - tangent * tangent) / (1.0 + tangent * tangent), 2.0 * tangent / (1.0 + tangent * tangent)
    middle = (_SIDE - 1) / 2.0
    return cosine * x - sine * y + middle + 2.5 * manner[5], sine * x + cosine * y + middle + 2.0 * manner[6]


def _squared_distance(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pixel of the window from the nearest point, float32 (n, side, side)."""
    pixels = np.arange(_FIRST, _LAST, dtype=np.float32)
    across = (pixels - x[:, :, None]) ** 2
    down = (pixels - y[:, :, None]) ** 2
    nearest = np.full((len(x), len(pixels), len(pixels)), np.inf, dtype=np.float32)
    for number in range(x.shape[1]):
        np.minimum(nearest, down[:, number, :, None] + across[:, number, None, :], out=nearest)
    return nearest


# --- from control polygons to points --------------------------------------------------------------------------------


@cache
def _weights(strokes: tuple[tuple[Point, ...], ...]) -> tuple[tuple[Point, ...], Floats]:
    """A glyph's distinct control points, and how its points depend on them: float64 (points, controls).

    Points that strokes share are one control point, so that a jitter does not tear them apart.
    """
    controls = tuple(dict.fromkeys(point for stroke in strokes for point in stroke))
    unit = dict(zip(controls, np.eye(len(controls)), strict=True))
    rows: list[Floats] = []
    for stroke in strokes:
        curve = [unit[point] for point in stroke]
        for _ in range(2 if len(stroke) > 2 else 0):
            curve = _corners_cut(curve)
        rows += _sampled(curve, controls)
    return controls, np.array(rows)


def _corners_cut(curve: list[Floats]) -> list[Floats]:
    """One round of Chaikin's corner cutting that keeps both ends."""
    inner = (point for a, b in pairwise(curve) for point in (0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b))
    return [curve[0], *inner, curve[-1]]


def _sampled(curve: list[Floats], controls: tuple[Point, ...]) -> list[Floats]:
    """Points along the pieces of a curve, at most `_SPACING` apart before the jitter."""
    rows = [curve[0]]
    for a, b in pairwise(curve):
        dx, dy = (fsum(float(w) * point[axis] for w, point in zip(b - a, controls, strict=True)) for axis in (0, 1))
        count = max(1, ceil(max(abs(dx) * _WIDE / _TALL, abs(dy)) / _SPACING))
        rows += [a + (b - a) * (number / count) for number in range(1, count + 1)]
    return rows
