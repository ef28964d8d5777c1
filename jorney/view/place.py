"""Where in the page one is: all of it stands in the address, so that a link, the browser's Back and a second window work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jorney.view.collection.query import Query

VIEWS = ("browse", "compare", "judges", "training")
SMOOTHEST = 0.99  # of curves
FOLDS = ("auto", "all", "beam", "best")  # of a tree; or a number: levels down to that one


@dataclasses.dataclass(frozen=True)
class Place:
    """One place of the page.

    Attributes:
      view: one of VIEWS.
      of: the collection that is looked at; "" for the first.
      beside: the collections that are compared with it.
      query: which of its rows, and in which order.
      row: the row that is shown: its id, and "~2" behind it for the second row of that id; "" for the first of the hits.
      page: of the table of hits, from 0; None for the one with the row.
      node: of the tree that is shown, the node that is looked at.
      tab: what is shown of the row; "" for what the kind of row shows first.
      fold: what is drawn of a tree: one of FOLDS, or levels.
      root: the node that is drawn as the root; None for the tree's own.
      opened: nodes whose folded children are drawn.
      quadrant: which problems of a comparison are listed: "" for all, else a digit a collection, 1 where it is right.
      how: what several samples of a problem are worth in a comparison, one of `aligned.HOW`.
      truth: what judges are compared with.
      courses, figures: the trainings whose curves are drawn, and what of them.
      smooth: of curves, from 0 for none to SMOOTHEST.
      axis: what curves are drawn over.
      log: whether their values have a logarithmic axis.
    """

    view: str = "browse"
    of: str = ""
    beside: tuple[str, ...] = ()
    query: Query = dataclasses.field(default_factory=Query)
    row: str = ""
    page: int | None = None
    node: int | None = None
    tab: str = ""
    fold: str = "auto"
    root: int | None = None
    opened: tuple[int, ...] = ()
    quadrant: str = ""
    how: str = "first"
    truth: str = ""
    courses: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    smooth: float = 0.6
    axis: str = "step"
    log: bool = False

    def to_params(self) -> dict[str, str | list[str]]:
        """What stands in the address: what is not as it is without one."""
        found: dict[str, str | list[str]] = dict(self.query.to_params())
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "query" or value == _DEFAULT[field.name]:
                continue
            found[field.name] = [str(one) for one in value] if isinstance(value, tuple) else str(value)
        return found


def from_params(params: Mapping[str, Any]) -> Place:
    """The place of an address; what cannot be read in it is as it is without one.

    Args:
      params: names to a text, or to a list of texts.
    """
    own = {name: value for name, value in params.items() if name in _DEFAULT and name != "query"}
    rest = {name: value[-1] if isinstance(value, list) else value for name, value in params.items() if name not in own}
    values: dict[str, Any] = {}
    for name, stated in own.items():
        words = [str(one) for one in stated] if isinstance(stated, list) else [str(stated)]
        try:
            values[name] = _READ[name](words)
        except ValueError:
            continue
    try:
        query = Query.from_params(rest)
    except ValueError:
        query = Query()
    return Place(**values, query=query)


def _whole(words: list[str]) -> int:
    if (number := int(words[-1])) < 0:
        raise ValueError(number)
    return number


def _share(words: list[str]) -> float:
    if not 0 <= (number := float(words[-1])) <= SMOOTHEST:  # nan is refused, too
        raise ValueError(number)
    return number


def _view(words: list[str]) -> str:
    if words[-1] not in VIEWS:
        raise ValueError(words[-1])
    return words[-1]


_DEFAULT: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Place)}
_READ: dict[str, Any] = dict.fromkeys(_DEFAULT, lambda words: words[-1]) | {
    "view": _view,
    "page": _whole,
    "node": _whole,
    "root": _whole,
    "opened": lambda words: tuple(_whole([one]) for one in words),
    "smooth": _share,
    "log": lambda words: words[-1] == "True",
    **dict.fromkeys(("beside", "courses", "figures"), tuple),
}
