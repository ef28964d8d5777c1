"""The states that a text passes through: steps, and goings back, by words or by the numbers of steps."""

from __future__ import annotations

import dataclasses

from jorney.domain.countdown.game import Numbers, paths_to
from jorney.domain.countdown.grade import take_step

_DIGITS = 9  # of a step's number; int() refuses thousands of them, and no path is that long


@dataclasses.dataclass(frozen=True)
class _Place:
    """A state of the trail: the number of the step that led to it, and whether all steps up to it are legal and true."""

    number: int
    numbers: Numbers
    sound: bool


class Trail:
    """Where a text stands, and the states that led there.

    Args:
      numbers: of the problem.
      by_numbers: whether a step's number that falls back to one that was reached goes back there.

    Attributes:
      numbers: left where it stands.
      sound: all steps that led there are legal and true.
    """

    def __init__(self, numbers: Numbers, by_numbers: bool = True) -> None:
        self._places = [_Place(0, numbers, True)]
        self._by_numbers = by_numbers

    @property
    def numbers(self) -> Numbers:
        return self._places[-1].numbers

    @property
    def sound(self) -> bool:
        return self._places[-1].sound

    def copy(self) -> Trail:
        """Another that stands there too."""
        other = Trail((), self._by_numbers)
        other._places = [*self._places]
        return other

    def reaches(self, target: int) -> bool:
        """Whether the target can be reached from where it stands, by results up to LARGEST; never where it is not sound."""
        # Only states that legal steps led to are looked up: a state that a model made up may have too many paths to count.
        return self.sound and target in paths_to(self.numbers)

    def go_back(self, stated: str) -> None:
        """Goes back to a state ("5, 9, 12"): to the first that equals it; a state that never was is a false step."""
        state = tuple(sorted(map(int, stated.split(", "))))
        for index, place in enumerate(self._places):
            if place.numbers == state:
                del self._places[index + 1 :]
                return
        # It is numbered as the states of so many numbers are: a text which counts on from there goes back once, not twice.
        self._places.append(_Place(max(0, len(self._places[0].numbers) - len(state)), state, False))

    def falls_back(self, number: str) -> bool:
        """Whether a step of this number goes back, without words."""
        return self._by_numbers and 0 < self._number(number) <= self._places[-1].number

    def fall_back(self, number: str) -> None:
        """Goes back to where a step of this number was taken, if it goes back."""
        if self.falls_back(number):
            while len(self._places) > 1 and self._places[-1].number >= int(number):
                self._places.pop()

    def step(self, number: str, text: str) -> None:
        """Takes a step, behind what its number goes back to."""
        self.fall_back(number)
        numbers, error = take_step(self.numbers, number, text)
        self._places.append(_Place(self._number(number), numbers, self.sound and not error))

    def _number(self, number: str) -> int:
        return int(number) if 0 < len(number) <= _DIGITS else self._places[-1].number + 1
