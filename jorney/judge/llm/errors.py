"""What an endpoint's failure means: try again, leave this chat, or end."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

from jorney.judge.llm.endpoint import LlmConfig

AGAIN = (408, 409, 425, 429)  # and all from 500 on
SETTINGS = (401, 402, 403, 404, 405)  # they hold for every chat


class Passing(Exception):
    """It may go well the next time.

    Attributes:
      wait: seconds that the endpoint asked for.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Refused(Exception):
    """This chat will get no answer."""


class Elsewhere(ValueError):
    """The endpoint sends its callers to another host."""


def fault(error: Exception, config: LlmConfig) -> Exception:
    """What to raise for an error of the openai client.

    Args:
      config: of the endpoint, to name it, and to leave its secrets out of messages.

    Returns:
      Passing, Refused, or a ValueError where no chat could be answered.
    """
    import openai

    if isinstance(error.__cause__, Refused):  # of the client that reads answers, as an error of the connection
        return error.__cause__
    if elsewhere := next((one for one in (error, error.__cause__) if isinstance(one, Elsewhere)), None):
        told = _told(elsewhere, config)
        return ValueError(
            f"{config.shown()}: {told}, which gets no key and no question: expected llm.base_url of the endpoint itself"
        )
    message = _told(error, config)
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        if status in SETTINGS or error.code == "insufficient_quota":
            return ValueError(f"{config.shown()}: {message}: expected a key, a model and a base URL that the endpoint accepts")
        if status in AGAIN or status >= 500:
            return Passing(message, retry_after(error.response.headers))
        return Refused(message)
    if isinstance(error, openai.APITimeoutError):
        return Passing("no answer in time")
    cause = error.__cause__  # the client's own words are "Connection error."
    return Passing(f"{type(cause).__name__}: {_told(cause, config)}" if cause is not None else message)


def _told(error: BaseException, config: LlmConfig) -> str:
    return str(config.clean(" ".join(str(error).split())))[:400]  # cut last: a key that is cut is hard to know


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: a number of them, of thousandths, or a date. None where it asks for nothing."""
    try:
        if (thousandths := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(thousandths) / 1000)
        if (stated := headers.get("retry-after")) is None:
            return None
        if stated.strip().replace(".", "", 1).isdigit():
            return float(stated)
        return max(0.0, email.utils.parsedate_to_datetime(stated).timestamp() - time.time())
    except (ValueError, OverflowError):  # of dates beyond all calendars, too
        return None
