from __future__ import annotations

import dataclasses
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from letters import LETTERS, lead, letters_policy, uncached, whole_logits

from jorney.compiled import Compilations
from jorney.engine import cache, memory
from jorney.engine.generate import Completion, Generator, SamplingConfig, generate, row_keys
from jorney.engine.programs import bucket
from jorney.model import params as parameters
from jorney.policy import Policy


@pytest.fixture(scope="module")
def letters(tiny, mesh1) -> Policy:
    return letters_policy(tiny, mesh1)


PROMPTS = ["journey", "a", "treesandthoughts", "expand", "judge", "prunethefrontierofatree"]
COMPILED = Compilations()  # tests share the programs of a shape


def _generate(policy: Policy, prompts: list[str], sampling: SamplingConfig) -> list[list[Completion]]:
    return Generator(policy, COMPILED).generate(prompts, sampling)


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.9}, {"temperature": 0.7, "top_k": 5}]
)
def test_cached_decoding_equals_the_full_forward(letters: Policy, settings: dict[str, float]) -> None:
    sampling = SamplingConfig(w=2, max_tokens=20, rows=4, chunk=7, seed=3, **settings)  # type: ignore[arg-type]
    found = _generate(letters, PROMPTS[:3], sampling)
    for prompt, completions in zip(PROMPTS[:3], found, strict=True):
        for index, completion in enumerate(completions):
            assert list(completion.tokens) == uncached(letters, prompt, index, sampling)


def test_results_do_not_depend_on_the_batching(letters: Policy) -> None:
    base = SamplingConfig(w=2, max_tokens=12, temperature=1.0, rows=12, chunk=5)
    expected = _generate(letters, PROMPTS, base)
    for changed in ({"rows": 2}, {"rows": 4, "chunk": 1}, {"chunk": 64}):
        found = _generate(letters, PROMPTS, dataclasses.replace(base, **changed))
        assert [[c.tokens for c in row] for row in found] == [[c.tokens for c in row] for row in expected]
    assert [c.tokens for c in _generate(letters, PROMPTS[::-1], base)[-1]] == [c.tokens for c in expected[0]]


def test_siblings_differ_and_seeds_differ(letters: Policy) -> None:
    sampling = SamplingConfig(w=3, max_tokens=12, temperature=1.0, rows=3)
    first = _generate(letters, ["journey"], sampling)[0]
    assert len({completion.tokens for completion in first}) == 3
    assert [c.tokens for c in _generate(letters, ["journey"], dataclasses.replace(sampling, seed=1))[0]] != [
        c.tokens for c in first
    ]
    # The first siblings of a larger family are the same.
    fewer = _generate(letters, ["journey"], dataclasses.replace(sampling, w=2))[0]
    assert [c.tokens for c in fewer] == [c.tokens for c in first[:2]]


def test_log_probabilities_are_the_models(letters: Policy) -> None:
    sampling = SamplingConfig(max_tokens=10, temperature=0.8, top_p=0.9)
    completion = _generate(letters, ["expand"], sampling)[0][0]
    prompt = letters.tokenizer.encode_prompt("expand")
    ids = jnp.asarray([[*prompt, *completion.tokens]], jnp.int32)
    scores = jax.nn.log_softmax(whole_logits(letters, ids)[0, len(prompt) - 1 : -1])
    expected = scores[jnp.arange(len(completion.tokens)), jnp.asarray(completion.tokens)]
    np.testing.assert_allclose(completion.log_probs, expected, atol=2e-5)
    assert all(a >= b for a, b in zip(completion.sampling_log_probs, completion.log_probs, strict=True) if b > -1)


def test_ends_at_the_end_token_or_at_the_limit(letters: Policy) -> None:
    sampling = SamplingConfig(w=64, max_tokens=40, temperature=1.5, top_p=1.0, rows=64)
    completions = _generate(letters, ["tree"], sampling)[0]
    ended = [c for c in completions if c.finished]
    assert 0 < len(ended) < 64
    for completion in completions:
        assert letters.tokenizer.eos not in completion.tokens[:-1]
        assert completion.finished == (completion.tokens[-1] == letters.tokenizer.eos)
        assert completion.finished or len(completion.tokens) == 40


@pytest.mark.parametrize("stated", [[2, 5, 9], [5, 9], 5])
def test_stops_at_every_end_that_the_generation_config_names(letters: Policy, stated: object) -> None:
    """Chat models end a turn with a token of its own: each completion is the plain one, cut after the first end."""
    chat = dataclasses.replace(letters, generation={"eos_token_id": stated, "temperature": 0.6})
    assert chat.ends == ((2, 5, 9) if isinstance(stated, list) else (2, 5))
    assert letters.ends == (2,)
    assert dataclasses.replace(letters, generation={"eos_token_id": None}).ends == (2,)
    sampling = SamplingConfig(w=16, max_tokens=24, temperature=1.5, top_p=1.0, rows=16, chunk=5)
    stops = 0
    for plain, found in zip(_generate(letters, ["tree"], sampling)[0], generate(chat, ["tree"], sampling)[0], strict=True):
        first = next((i for i, token in enumerate(plain.tokens) if token in chat.ends), None)
        assert found.tokens == (plain.tokens if first is None else plain.tokens[: first + 1])
        assert found.finished == (first is not None)
        stops += found.finished and not plain.finished
    assert stops > 3


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_reward_model_is_refused(letters: Policy, head: str) -> None:
    config = dataclasses.replace(letters.config, head=head, labels=2)
    judge = dataclasses.replace(letters, config=config, params=parameters.init(config, jax.random.key(0)))
    with pytest.raises(ValueError, match=f"^random: has the head '{head}': expected a language model, to generate with"):
        generate(judge, ["tree"])


def test_programs_compile_once_a_shape(letters: Policy) -> None:
    compilations = Compilations()
    generator = Generator(letters, compilations)
    for prompts, settings in [
        (PROMPTS[:4], {}),
        (PROMPTS[:5], {"temperature": 0.0}),
        (PROMPTS[1:5], {"top_p": 0.5, "max_tokens": 9, "seed": 5}),
    ]:
        generator.generate(prompts, SamplingConfig(**{"max_tokens": 12, "rows": 4, "chunk": 4, **settings}))
    assert sorted(compilations.names) == ["decode", "empty cache", "prefill"]
    generator.generate([LETTERS + LETTERS], SamplingConfig(max_tokens=12, rows=4, chunk=4))
    assert sorted(compilations.names[3:]) == ["decode", "empty cache", "prefill"]


def _refusal(policy: Policy, sampling: SamplingConfig) -> str:
    """What is said where memory is short; nothing that was made by then is held."""
    with pytest.raises(ValueError, match="^memory: ") as refused:
        _generate(policy, PROMPTS, sampling)
    return str(refused.value)


def test_a_cache_that_the_devices_have_no_memory_for_is_refused(letters: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that they have little for makes it slow."""
    sampling = SamplingConfig(w=2, max_tokens=12, rows=12)
    expected = _generate(letters, PROMPTS, sampling)
    said = _refusal(dataclasses.replace(letters, memory=1000), sampling)
    parts = r"the policy's weights [\d,]+, other arrays [\d,]+, the policy's cache [\d,]+, temporaries of programs [\d,]+"
    found = re.fullmatch(rf"memory: a device has 1,000 bytes: expected at least ([\d,]+) \({parts}\); more devices .*", said)
    assert found, said
    least = int(found[1].replace(",", ""))
    assert _refusal(dataclasses.replace(letters, memory=least - 1), sampling)
    shapes = []
    original = memory.admit
    monkeypatch.setattr("jorney.engine.generate.admit", lambda *given: shapes.append(original(*given)) or shapes[-1])
    found = _generate(dataclasses.replace(letters, memory=least), PROMPTS, sampling)
    assert [[c.tokens for c in row] for row in found] == [[c.tokens for c in row] for row in expected]
    assert shapes[0][0].problems == 1


TIE = 1e-4  # of logits with their random numbers: nearer to each other, rounding may decide


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.9}])
def test_rows_and_devices_give_the_same_tokens_but_for_ties(letters: Policy, tiny, settings: dict[str, float]) -> None:
    """By 2, 16 and 64 rows, and on eight simulated devices in several ways."""
    from jorney import sharding
    from jorney.model.params import param_shardings

    def check(policy: Policy, changed: SamplingConfig) -> None:
        for prompt, row, others in zip(PROMPTS, expected, _generate(policy, PROMPTS, changed), strict=True):
            for key, one, other in zip(row_keys(base.seed, prompt, base.w), row, others, strict=True):
                at = next((i for i, pair in enumerate(zip(one.tokens, other.tokens, strict=False)) if len(set(pair)) > 1), None)
                if at is None:
                    assert one.tokens == other.tokens
                else:
                    before = [*letters.tokenizer.encode_prompt(prompt), *one.tokens[:at]]
                    assert lead(letters, before, key, at, base.params) < TIE

    base = SamplingConfig(w=2, max_tokens=24, rows=8, chunk=8, **settings)  # type: ignore[arg-type]
    expected = _generate(letters, PROMPTS, base)
    assert lead(letters, letters.tokenizer.encode_prompt("a"), row_keys(0, "a", 1)[0], 0, base.params) > TIE  # most are
    check(letters, dataclasses.replace(base, rows=2, chunk=5))
    check(letters, dataclasses.replace(base, rows=16))
    check(letters, dataclasses.replace(base, rows=64))
    for sizes in ({"data": 2, "fsdp": 2, "tensor": 2}, {"data": 8}, {"tensor": 4, "data": 2}):
        mesh = sharding.make_mesh(sharding.MeshConfig(**sizes))
        split = dataclasses.replace(letters, mesh=mesh, params=jax.device_put(letters.params, param_shardings(tiny, mesh)))
        check(split, base)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"w": 0}, "w = 0: expected 1 or more"),
        ({"w": 65}, "w = 65: expected no more than rows = 64"),
        ({"temperature": float("inf")}, "temperature = inf: expected 0 or more"),
        ({"temperature": float("nan")}, "temperature = nan: expected 0 or more"),
        ({"top_p": float("nan")}, "top_p = nan: expected above 0, 1 at most"),
        ({"top_k": 1.5}, "top_k = 1.5: expected a whole number"),
        ({"min_p": float("nan")}, "min_p = nan: expected 0 or more, 1 at most"),
        ({"cache_tokens": 0}, "cache_tokens = 0: expected 1 or more, or None for what the work needs"),
        ({"temperature": -1.0}, "temperature = -1.0"),
        ({"top_p": 0.0}, "top_p = 0.0"),
        ({"max_tokens": 0}, "max_tokens = 0"),
        ({"max_tokens": 256}, "max_tokens = 256: expected less than 256, the model's positions"),
        ({"max_tokens": 250}, "prompt 0 .* has 8 tokens: expected 1 to 6"),
        ({"heat": 1.0}, "unknown setting among heat: expected one of w,"),
    ],
)
def test_settings_out_of_range_are_named(letters: Policy, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(letters, ["journey"], **settings)


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_ids_that_the_model_lacks_are_named(letters: Policy, wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"prompt 1 .* has the token {wrong}: expected 0 to {letters.config.vocab_size - 1}"):
        generate(letters, [[3, 4], [3, wrong]], max_tokens=4)


def test_buckets() -> None:
    assert [bucket(n) for n in (1, 32, 33, 48, 49, 64, 65, 97, 1000)] == [32, 32, 48, 48, 64, 64, 96, 128, 1024]


def test_cache_bytes() -> None:
    """DeepSeekMath-7B: 480 KiB a token in bfloat16."""
    from jorney.model.architecture import ModelConfig

    config = ModelConfig(vocab_size=102_400, embed=4096, layers=30, heads=32, kv_heads=32, head_dim=128, mlp=11_008)
    assert cache.nbytes(config, 256 + 4 * 64, 2) == (256 + 4 * 64) * 480 * 1024


def test_a_cut_drops_what_lies_behind_it(letters: Policy) -> None:
    """The plain completion up to the cut, whatever the chunk: the letter after which it is over, and no more."""
    sampling = SamplingConfig(w=4, max_tokens=40, temperature=1.0, seed=5, rows=8, chunk=7)

    def after_e(_: int, text: str) -> int | None:
        return text.index("e") + 1 if "e" in text else None

    plain = Generator(letters, COMPILED).generate(PROMPTS[:3], sampling)
    for chunk in (1, 7, 40):
        found = Generator(letters, COMPILED).generate(PROMPTS[:3], dataclasses.replace(sampling, chunk=chunk), None, after_e)
        cuts = 0
        for whole, part in zip(itertools.chain(*plain), itertools.chain(*found), strict=True):
            if "e" in whole.text:
                assert part.text == whole.text[: whole.text.index("e") + 1]
                assert part.tokens == whole.tokens[: len(part.tokens)]
                assert part.finished
                assert len(part.tokens) <= part.generated <= min(len(part.tokens) + chunk, 40)
                cuts += 1
            else:
                assert (part.tokens, part.finished, part.generated) == (whole.tokens, whole.finished, whole.generated)
                np.testing.assert_allclose(part.log_probs, whole.log_probs, atol=1e-5)  # other slots, another order of sums
        assert cuts > 3


def test_prompts_may_be_ids(letters: Policy) -> None:
    sampling = SamplingConfig(w=2, max_tokens=8)
    ids = [letters.tokenizer.encode_prompt(prompt) for prompt in PROMPTS]
    generator = Generator(letters, COMPILED)
    assert generator.generate(ids, sampling, PROMPTS) == generator.generate(PROMPTS, sampling)


def test_parameters_given_away_are_held_once(letters: Policy) -> None:
    own = dataclasses.replace(letters, params=jax.tree.map(jnp.copy, letters.params))
    sampling = SamplingConfig(max_tokens=8)
    found = Generator(own, donate=True).generate(PROMPTS, sampling)
    assert found == Generator(letters, COMPILED).generate(PROMPTS, sampling)
    stacked, rest = own.params["layers"], {name: leaf for name, leaf in own.params.items() if name != "layers"}
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(stacked))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(rest))
