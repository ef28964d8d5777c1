"""Where the names of points stand in a figure: beside their points, never over a name or another point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes

from jorney.show import canvas

_SIZE = 11.0  # of the text, in pixels
_WIDTH, _HEIGHT = 0.6 * _SIZE, 1.25 * _SIZE  # of a letter, on average, and of a line
_POINT = 6.0  # half the side of the square that a point takes
_REACH = (11.0, 20.0, 32.0, 46.0, 62.0, 80.0, 100.0, 122.0)  # distances from the point, in pixels
_TURNS = (0, 180, 90, 270, 35, 325, 145, 215, 60, 300, 120, 240)  # degrees: right, left, above, below, between

Box = tuple[float, float, float, float]  # left, bottom, right, top


def write(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Writes each name as near to its point as there is room, with a line to it where it stands further off.

    Args:
      points: in the axes' data.
    """
    whole = axes.figure.bbox
    places = [tuple(axes.transData.transform(point)) for point in points]
    taken = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in places]
    bottom = axes.get_window_extent().y0
    for index, (name, (x, y)) in enumerate(zip(names, places, strict=True)):
        others = places[:index] + places[index + 1 :]
        box, far = _first_free(x, y, len(name) * _WIDTH, taken, others, (whole.x0, bottom, whole.x1, whole.y1))
        taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        to_data = axes.transData.inverted().transform
        if far:
            near = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
            ends = to_data([(x, y), near])
            axes.plot(*zip(*ends, strict=True), color=canvas.QUIET, linewidth=0.7, zorder=1)
        centre = to_data(middle)
        axes.text(centre[0], centre[1], name, ha="center", va="center", fontsize=_SIZE, clip_on=False, parse_math=False)


def _first_free(
    x: float, y: float, width: float, taken: Sequence[Box], others: Sequence[tuple[float, float]], within: Box
) -> tuple[Box, bool]:
    """The nearest box of a name that lies over none that is taken, and whether it stands off; else that with least overlap.

    Args:
      others: points to which the name is no nearer than to its own.
    """
    best: tuple[float, Box, bool] | None = None
    for reach, box in _boxes(x, y, width):
        outside = max(0.0, within[0] - box[0], within[1] - box[1], box[2] - within[2], box[3] - within[3])
        if outside:
            continue
        over = sum(_overlap(box, one) for one in taken)
        over += sum(1 for one in others if _distance(box, *one) < _distance(box, x, y))
        if not over:
            return box, reach > _REACH[0]
        if best is None or over < best[0]:
            best = over, box, reach > _REACH[0]
    if best is None:  # a name as wide as the figure
        return (x - width / 2, y + _POINT, x + width / 2, y + _POINT + _HEIGHT), False
    return best[1], best[2]


def _boxes(x: float, y: float, width: float) -> Iterator[tuple[float, Box]]:
    for reach in _REACH:
        for turn in _TURNS:
            right, up = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            # The end of the name that is nearest to the point, not its middle, lies at that distance.
            centre = x + right * reach + round(right) * width / 2, y + up * (reach + _HEIGHT / 4)
            yield reach, (centre[0] - width / 2, centre[1] - _HEIGHT / 2, centre[0] + width / 2, centre[1] + _HEIGHT / 2)


def _distance(box: Box, x: float, y: float) -> float:
    return math.hypot(max(0.0, box[0] - x, x - box[2]), max(0.0, box[1] - y, y - box[3]))


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
