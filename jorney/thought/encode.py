"""From thoughts to training examples."""

from __future__ import annotations

from jorney.batch.packing import Example
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.thought import Thought


def encode_thought(
    tokenizer: Tokenizer, step_format: StepFormat, thought: Thought, excursion_loss: bool, place: str = ""
) -> Example:
    """A thought's prompt and its text.

    Args:
      excursion_loss: whether the steps that are walked and left bear loss. Without it the model learns to notice and to go
        back, not to err; the reflection bears loss either way.
      place: where it comes from, for messages; by default the thought's id.

    Raises:
      ValueError: the tokenizer would lose some of the text; names the place.
    """
    tokenizer.expect_held((thought.question, thought.text), place or f"the thought {thought.id!r}")
    head = step_format.encode(tokenizer, thought.question)
    ids, spans = tokenizer.encode_after_with_spans(tokenizer.without_end(thought.text))
    placed = zip(thought.spans, thought.pieces, strict=True)
    left = [where for where, piece in placed if piece.kind == "excursion" and not excursion_loss]
    # A token that begins in an excursion belongs to it.
    silent = (len(head) + index for index, (start, _) in enumerate(spans) if any(a <= start < b for a, b in left))
    return Example((*head, *ids, tokenizer.eos), prompt=len(head), silent=tuple(silent))
