"""What training stages are given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jorney.data.packing import Example
from jorney.stages.lessons import as_many_tokens

EXAMPLES = st.lists(st.integers(1, 30).map(lambda n: Example((1,) * (n + 2), prompt=2)), min_size=1, max_size=8)


@given(EXAMPLES, EXAMPLES, st.integers(1, 500))
def test_as_many_tokens(own, more, wanted) -> None:
    found = as_many_tokens(own, more, wanted)
    sizes = [len(one.tokens) - 2 for one in found]
    assert wanted <= sum(sizes) < wanted + sizes[-1]
    # More leaves first, then all over again.
    pool = [*own, *more]
    assert found == [pool[i % len(pool)] for i in range(len(found))]
