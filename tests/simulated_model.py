"""What a model does that is asked for thoughts about Countdown: it reads its prompt, and is right, wrong, off form or mute."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from jorney.config import digest
from jorney.domain.countdown.game import moves, paths_to
from jorney.domain.countdown.grade import take_step


class SimulatedModel:
    """Answers the prompts of propose-critique, student-teacher and of augmentation; the same chat always in the same way.

    Args:
      off_form: share of replies that are not in the form asked for.
      silent: share of calls that fail for good.
    """

    def __init__(self, seed: int = 0, off_form: float = 0.0, silent: float = 0.0) -> None:
        self.seed, self.off_form, self.silent = seed, off_form, silent
        self.chats: list[str] = []
        self.largest_round = self.none = 0

    def __call__(self, chats: Sequence[Sequence[Mapping[str, str]]]) -> list[str | None]:
        self.largest_round = max(self.largest_round, len(chats))
        return [self._reply(chat) for chat in chats]

    def _reply(self, chat: Sequence[Mapping[str, str]]) -> str | None:
        name = digest(list(map(dict, chat)))
        self.chats.append(name)
        rng = random.Random(f"{self.seed}/{name}")
        if rng.random() < self.silent:
            self.none += 1
            return None
        prompt = chat[0]["content"]
        if rng.random() < self.off_form and "critic of" not in prompt and "Say in one or two" not in prompt:
            return rng.choice(["", "Action: dance", "I am not sure.", "Verdict: perhaps", "Action: backtrack to 99\nno", "\n"])
        if "one action at a time" in prompt:
            return self._act(prompt, rng)
        if "critic of" in prompt:
            return "Dead end." if self._lost(prompt) else "It is fine."
        if "nothing else:\none step" in prompt:
            return self._step(prompt, rng)[1]
        if "teacher who watches" in prompt:
            return self._judge(prompt, rng)
        if "Say in one or two" in prompt:
            return "Wait, this does not lead there."
        return self._augment(prompt, rng)

    @staticmethod
    def _states(prompt: str) -> tuple[list[tuple[int, ...]], int]:
        """The states from the question on, and the target."""
        question = re.search(r"Question:\n(.*)\n", prompt)
        assert question is not None
        target, *numbers = map(int, re.findall(r"\d+", question[1]))
        states = [tuple(sorted(numbers))]
        shown = prompt[prompt.index("Steps so far:") :].partition("\n\n")[0].partition("Tried before")[0]
        for number, text in re.findall(r"^(\d+)\. (.*)$", shown, re.MULTILINE):
            states.append(take_step(states[-1], number, text)[0])
        return states, target

    def _lost(self, prompt: str) -> bool:
        states, target = self._states(prompt)
        return target not in paths_to(states[-1])

    def _kept(self, prompt: str) -> int:
        """The last step from which the target can still be reached."""
        states, target = self._states(prompt)
        return max(level for level, numbers in enumerate(states) if target in paths_to(numbers))

    def _step(self, prompt: str, rng: random.Random) -> tuple[bool, str]:
        """(whether it is the last, a step): right more often than not."""
        states, target = self._states(prompt)
        options = list(moves(states[-1]))
        good = [step for step in options if target in paths_to(step.left)]
        step = rng.choice(good if good and rng.random() < 0.6 else options)
        last = len(step.left) == 1
        return last, f"{step}\n#### {step.result}" if last else str(step)

    def _act(self, prompt: str, rng: random.Random) -> str:
        states, _ = self._states(prompt)
        if len(states) > 1 and self._lost(prompt) and rng.random() < 0.8:
            return f"Action: backtrack to {self._kept(prompt)}\nWait, from here it cannot be reached."
        if len(states[-1]) == 1:
            return f"**Action: terminate**\n#### {states[-1][0]}"
        if rng.random() < 0.1:
            return "Action: reflect\nLet me see what is left."
        last, text = self._step(prompt, rng)
        return f"Action: {'terminate' if last and rng.random() < 0.5 else 'continue'}\n{text}"

    def _judge(self, prompt: str, rng: random.Random) -> str:
        if self._lost(prompt) and rng.random() < 0.8:
            return f"Verdict: backtrack to {self._kept(prompt)}\nThis leads nowhere."
        return "Verdict: reflect\nSure?" if rng.random() < 0.1 else "Verdict: go on\nGood."

    @staticmethod
    def _augment(prompt: str, rng: random.Random) -> str:
        text = prompt[prompt.index("Solution:\n") + len("Solution:\n") :].strip()
        if "finer" in prompt:
            text = re.sub(r"^\[(\d+)\]$", r"[\1]\nNow comes the next thing.", text, flags=re.MULTILINE)
        elif "short recap" in prompt:
            text += "\n[recap]\nSo that is where we are."
        else:
            text = re.sub(r"^\[1\]$", "[1]\nHm, let me think.", text, flags=re.MULTILINE)
        fault = rng.random()
        if fault < 0.15:
            return re.sub(r"\d+", lambda number: str(int(number[0]) + 1) if rng.random() < 0.1 else number[0], text)
        return text.replace("[2]", "[3]") if fault < 0.25 else text
