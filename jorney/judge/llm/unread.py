"""Answers that could not be read: counted, shown by one of them, and too many of them end a run."""

from __future__ import annotations

from jorney.judge.llm.endpoint import LlmConfig
from jorney.judge.llm.objects import spoken
from jorney.judge.llm.replies import Account


def unreadable(reply: str, wrong: str) -> Account:
    """The account of one answer that could not be read.

    Args:
      wrong: why.
    """
    said = " ".join((spoken(reply) or reply).split())
    shown = f"{said[:100]}..." if len(said) > 100 else said
    return Account(parse_failures=1, unread=f"{shown!r} ({wrong})")


class Unread:
    """What could be read of the answers that a run asks for.

    Args:
      config: its limit, and after how many answers that holds.

    Attributes:
      account: of all answers so far.
    """

    def __init__(self, config: LlmConfig) -> None:
        self._config = config
        self.account = Account()

    def add(self, account: Account) -> None:
        """Counts answers. Raises ValueError, one line, where too many of all could not be read."""
        self.account += account
        if self.account.calls >= self._config.unread_after:
            self.check(self.account)

    def check(self, account: Account) -> None:
        """Raises ValueError where too large a share of these answers, however few, could not be read."""
        if account.parse_failures > self._config.max_unread * account.calls:
            cut = f", {account.cut:,} were cut off at llm.max_tokens = {self._config.max_tokens}" if account.cut else ""
            raise ValueError(
                f"{told(account)}{cut}: expected a share of llm.max_unread = {self._config.max_unread:g} at most; take a model "
                "that keeps to the form, or a higher limit"
            )


def told(account: Account) -> str:
    """How many answers could not be read, with one of them; "" where all could."""
    if not account.parse_failures:
        return ""
    return f"{account.parse_failures:,} of {account.calls:,} answers could not be read, such as {account.unread}"
