"""Rewards of completions, by name: what each says of an episode. `policy_gradient.rewards` adds them up."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from jorney.judge.reward_model import solution_score
from jorney.reinforce.episode import Episode, outcome
from jorney.reinforce.rewards.languages import expect_language, language_share
from jorney.reinforce.rewards.reward_functions import call, load_function
from jorney.reinforce.values.step_values import ScorePaths, score_steps
from jorney.text.step_format import ABEL, StepFormat
from jorney.train.policy_gradient.rewards import overlong


@dataclasses.dataclass(frozen=True)
class RewardContext:
    """What rewards are told beside the episodes.

    Attributes:
      step_format: how steps are told apart, for "judge".
      language: that "language" wants, a key of `languages.LANGUAGES`.
      longest: tokens at which a completion is cut off, for "length".
      overlong_cache: the last tokens before that, over which "length" falls from 0 to -1.
      scores: of the steps of paths, for "judge": `PrmJudge.score`, or `step_values.scores_by` of another judge.
    """

    step_format: StepFormat = ABEL
    language: str = "en"
    longest: int | None = None
    overlong_cache: int | None = None
    scores: ScorePaths | None = None

    def expect(self, names: Iterable[str]) -> None:
        """Raises ValueError where one of the terms lacks what it is made of; names both."""
        wanted = set(names)
        if "language" in wanted:
            expect_language(self.language)
        if "length" in wanted:
            if self.longest is None or self.overlong_cache is None:
                raise ValueError(
                    "rewards: 'length' needs overlong_cache and the longest completion: expected numbers of tokens"
                )
            overlong([], self.longest, self.overlong_cache)
        if "judge" in wanted and self.scores is None:
            raise ValueError("rewards: 'judge' needs a judge of steps: expected one to be named")


# The numbers that a term gives the episodes.
Term = Callable[[Sequence[Episode], RewardContext], list[float]]

_TAGS = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)
_TAG = re.compile(r"</?(?:think|answer)>")


def _accuracy(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    return [outcome(one) for one in episodes]


def _format(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    return [float(one.finished and one.grade.answer is not None) for one in episodes]


def _tags(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    return [float(len(_TAG.findall(one.text)) == 4 and _TAGS.fullmatch(one.text) is not None) for one in episodes]


def _length(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    context.expect(["length"])
    lengths = [len(one.tokens) for one in episodes]
    return [float(one) for one in overlong(lengths, context.longest or 0, context.overlong_cache or 0)]


def _language(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    return [language_share(one.text, context.language) for one in episodes]


def _judge(episodes: Sequence[Episode], context: RewardContext) -> list[float]:
    context.expect(["judge"])
    assert context.scores is not None
    found = score_steps(context.scores, episodes, [context.step_format.split(one.text) for one in episodes])
    return [solution_score(own, "min") if own else 0.0 for own in found]


# accuracy: 1 where it is right, else 0.
# format: 1 where it states an answer as its step format has it, and ended by itself, else 0.
# tags: 1 where it is <think>...</think> <answer>...</answer> and nothing else (R1-Zero, arXiv 2501.12948), else 0.
# length: 0 to -1, DAPO's punishment of long completions.
# language: the share of words in the language's script.
# judge: the least of a judge's scores of its steps; 0 where there is none.
TERMS: dict[str, Term] = {
    "accuracy": _accuracy,
    "format": _format,
    "tags": _tags,
    "length": _length,
    "language": _language,
    "judge": _judge,
}
_EXPECTED = f"one of {', '.join(TERMS)}, or a function as package.module:function"


def parse_rewards(text: str) -> dict[str, float]:
    """The weights of the terms that a text names: "accuracy=1,format=0.2,my_pkg.rewards:brevity=0.5". Imports nothing.

    Returns:
      {name: weight}, in the text's order; the weight is 1 where none is stated.

    Raises:
      ValueError: the text names no term, an unknown one, or one twice, or a weight is no finite number; says which part.
    """
    found: dict[str, float] = {}
    for part in text.split(",") if text.strip() else []:
        name, stated, weight = (piece.strip() for piece in part.partition("="))
        place = f"rewards: {part.strip()!r}"
        if not (name in TERMS or _names_function(name)):
            near = difflib.get_close_matches(name, TERMS)
            hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"{place}: {name!r} is no reward: expected {_EXPECTED}{hint}")
        if name in found:
            raise ValueError(f"{place}: {name!r} stands there twice: expected one weight for each reward")
        found[name] = _weight(weight, place) if stated else 1.0
    if not found:
        raise ValueError(f"rewards = {text!r}: expected NAME=WEIGHT,..., a name being {_EXPECTED}")
    return found


def _names_function(name: str) -> bool:
    module, colon, path = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *path.split(".")))


def _weight(text: str, place: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise ValueError(f"{place}: weight {text!r}: expected a finite number, such as 0.5")
    return weight


def load_terms(names: Iterable[str]) -> dict[str, Term]:
    """The terms of these names; imports the modules of functions. Call it once, before anything is sampled.

    Raises:
      ValueError: a function cannot be found, see `reward_functions.load_function`.
    """
    return {name: TERMS[name] if name in TERMS else _function(name) for name in names}


def _function(name: str) -> Term:
    function = load_function(name)
    return lambda episodes, context: call(name, function, episodes)


def score_terms(terms: Mapping[str, Term], episodes: Sequence[Episode], context: RewardContext) -> dict[str, list[float]]:
    """What each term gives each episode, unweighted: for `policy_gradient.rewards.total_reward`.

    Args:
      terms: of `load_terms`.

    Raises:
      ValueError: a term lacks what it is made of, or a function failed; names it and the completion.
    """
    context.expect(terms)
    return {name: term(episodes, context) for name, term in terms.items()}
