"""Read-outs of published reward models against transformers on torch: random models, and the programs that were published.

The tokenizers are small ones of the same kinds, made here, so that ids are others and their texts the same.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import tokenizers
import transformers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from jorney.convert import hf
from jorney.domain.problem import Problem
from jorney.judge.readouts import READOUTS, classifier, lay_out
from jorney.judge.reward_model import PrmJudge
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.policy import Policy
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import Tokenizer

torch = pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")

QUESTION = "What is 3 + 4 - 2?"
STEPS = ["First 3 + 4 = 7.", "Then 7 - 2 = 5,\nwhich is + 5.", "So the answer is 5."]
OTHER = [STEPS[0], "Then 7 - 2 = 4."]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
# Of a chat that went on, the beginning is another than before.
COUNTING = (
    "{{ messages | length }} messages\n{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def sentencepiece() -> Tokenizer:
    """As Mistral's: spaces are letters, every text begins with one, a word of two letters and the two signs are tokens."""
    letters = sorted({chr(code) for code in range(32, 127)} - {" "} | set("▁\nки"))
    merges = [("▁", "к"), ("▁к", "и"), ("▁", "+"), ("▁", "-"), ("▁", "S"), ("e", "p")]
    words = ["<unk>", "<s>", "</s>", *letters, *("".join(pair) for pair in merges)]
    raw = tokenizers.Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges, unk_token="<unk>"))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    raw.add_special_tokens(["<unk>", "<s>", "</s>"])
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _wrapped(raw, bos="<s>", eos="</s>")


def byte_level(*special: str, template: str, bos: str | None = None) -> Tokenizer:
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("Ġ", "7"), ("Ċ", "Ċ")]
    table = {word: i for i, word in enumerate([*words, *("".join(pair) for pair in merges)])}
    raw = tokenizers.Tokenizer(models.BPE(table, merges))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    return _wrapped(raw, bos=bos, eos=special[0], template=template)


def _wrapped(raw: tokenizers.Tokenizer, bos: str | None, eos: str, template: str | None = None) -> Tokenizer:
    backend = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=bos, eos_token=eos, chat_template=template)
    return Tokenizer(backend, backend.bos_token_id, backend.eos_token_id, backend.eos_token_id)


def policy(tokenizer: Tokenizer, mesh, **stated) -> Policy:
    shape = {"embed": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "mlp": 48, "init_scale": 0.3}
    config = ModelConfig(vocab_size=len(tokenizer) + 3, positions=512, **shape, **stated)
    params = parameters.init(config, jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.1 * jax.random.normal(jax.random.key(x.size), x.shape), params)
    return Policy(config, params, tokenizer, mesh, jnp.float32, "a random model")


def in_torch(model: Policy, folder, kind: str):
    """transformers' model of the same weights; of a head its tensors, too."""
    hf.save(folder, model.config, model.params, model.tokenizer, "float32", {})
    found = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    return found, {name: torch.tensor(value) for name, value in tensors.items() if name.startswith("score.")}


def scored(judge: PrmJudge) -> tuple[list[list[float]], list[float]]:
    """Of both paths, by whole paths; and of the last steps, as a tree asks for them, level by level."""
    problem = Problem("p", QUESTION, "5")
    paths = [[f"{k}. {step}" for k, step in enumerate(own, start=1)] for own in (STEPS, OTHER)]
    whole = judge.score([(problem, steps) for steps in paths])
    levels = [[(problem, own[:count]) for own in (STEPS, OTHER) if count <= len(own)] for count in (1, 2, 3)]
    rated = [rating.score for level in levels for rating in judge(level)]
    expected = [own[count] for count in range(3) for own in whole if count < len(own)]
    np.testing.assert_allclose(rated, expected, atol=1e-5)
    return whole, rated


def agree(found, expected) -> None:
    assert len({round(score, 4) for own in found for score in own}) == 4, "the first step's score is in both"
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_math_shepherd(mesh1, tmp_path, tied) -> None:
    model = policy(sentencepiece(), mesh1, family="mistral", tie_embeddings=tied)
    reference, _ = in_torch(model, tmp_path, "MistralForCausalLM")
    tokenizer = model.tokenizer.backend
    candidates, tag = tokenizer.encode("+ -")[1:], tokenizer.encode("ки")[-1]
    assert len(candidates) == 2

    def published(steps: list[str]) -> list[float]:
        output = "\n".join(f"Step {k}: {step} ки" for k, step in enumerate(steps, start=1))
        ids = torch.tensor([tokenizer.encode(f"{QUESTION} {output}")])
        with torch.no_grad():
            scores = reference(ids).logits[:, :, candidates].softmax(dim=-1)[:, :, 0]
        return scores[ids == tag].tolist()

    found, _ = scored(PrmJudge(model, ABEL, rows=4, readout="math-shepherd"))
    agree(found, [published(STEPS), published(OTHER)])


def test_qwen(mesh1, tmp_path) -> None:
    tokenizer = byte_level("<|im_end|>", "<|im_start|>", "<extra_0>", template=CHATML)
    model = policy(tokenizer, mesh1, family="qwen2", head="mlp", labels=2)
    reference, score = in_torch(model, tmp_path, "Qwen2Model")

    def published(steps: list[str]) -> list[float]:
        messages = [
            {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
        ]
        text = tokenizer.backend.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
        ids = torch.tensor([tokenizer.backend.encode(text)])
        with torch.no_grad():
            hidden = reference(ids).last_hidden_state
            hidden = torch.relu(hidden @ score["score.0.weight"].T + score["score.0.bias"])
            probabilities = (hidden @ score["score.2.weight"].T + score["score.2.bias"]).softmax(dim=-1)
        return probabilities[ids == tokenizer.encode("<extra_0>", rendered=True)[0]][:, 1].tolist()

    judge = PrmJudge(model, ABEL, rows=4)  # the head says whose it is
    assert judge.readout.name == "qwen2.5-math-prm"
    found, _ = scored(judge)
    agree(found, [published(STEPS), published(OTHER)])


@pytest.mark.parametrize("template", [LLAMA, COUNTING])
def test_rlhflow(mesh1, tmp_path, template) -> None:
    special = ("<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>")
    tokenizer = byte_level(*special, template=template, bos="<|begin_of_text|>")
    model = policy(tokenizer, mesh1)
    reference, _ = in_torch(model, tmp_path, "LlamaForCausalLM")
    plus, minus = (tokenizer.backend.encode(sign)[-1] for sign in "+-")

    def published(steps: list[str]) -> list[float]:
        chat, found = [], []
        for k, step in enumerate(steps, start=1):
            text = f"Step {k}: {step}"
            chat.append({"role": "user", "content": text if k > 1 else f"{QUESTION} {text}"})
            chat.append({"role": "assistant", "content": "+"})
            ids = tokenizer.backend.apply_chat_template(chat, return_dict=False)
            ids = ids if template == LLAMA else [tokenizer.bos, *ids]
            assert ids[-2] == plus
            with torch.no_grad():
                logits = reference(torch.tensor([ids])).logits[:, -3, [plus, minus]]
            found.append(float(logits.softmax(dim=-1)[0, 0]))
        return found

    judge = PrmJudge(model, ABEL, rows=4, readout="rlhflow")
    found, _ = scored(judge)
    agree(found, [published(STEPS), published(OTHER)])
    steps = [f"{k}. {step}" for k, step in enumerate(STEPS, start=1)]
    assert lay_out(judge.readout, tokenizer, ABEL, QUESTION, steps).nested == (template == LLAMA)


@pytest.mark.parametrize("name", ["reasoneval-7b", "reasoneval-34b"])
def test_reason_eval(mesh1, tmp_path, name) -> None:
    model = policy(sentencepiece(), mesh1, family="mistral", head="linear", labels=3)
    reference, score = in_torch(model, tmp_path, "MistralModel")
    tokenizer = model.tokenizer.backend
    # The 7B's separator is its bos, the 34B's another token.
    separator = "<s>" if name == "reasoneval-7b" else "</s>"

    def published(steps: list[str]) -> list[list[float]]:
        """Separators are dropped; of the first model with bos, which is put back, and what is counted then is one less."""
        prompt = f"Question:\n{QUESTION}\nAnswer:\nLet's think step by step.\n"
        combined = "".join(f"{k}. {step}{separator}" for k, step in enumerate(steps, start=1))
        ids = tokenizer(prompt + separator + combined)["input_ids"]
        own = tokenizer(separator)["input_ids"][-1]
        kept = [token for token in ids if token != own]
        labelled = [index - 1 - count for count, index in enumerate(i for i, token in enumerate(ids) if token == own)]
        if name == "reasoneval-7b":
            kept, labelled = [1, *kept], labelled[2:]
        else:
            labelled = labelled[1:]
        with torch.no_grad():
            values = reference(torch.tensor([kept])).last_hidden_state @ score["score.weight"].T
        return values[0, labelled].softmax(dim=-1).tolist()

    judge = PrmJudge(model, ABEL, rows=4, readout=name)
    found, _ = scored(judge)
    expected = [published(STEPS), published(OTHER)]
    agree(found, [[p[1] + p[2] for p in own] for own in expected])
    (probabilities,) = judge.probabilities([(Problem("p", QUESTION, "5"), [f"{k}. {s}" for k, s in enumerate(STEPS, 1)])])
    assert judge.readout.redundant == 1
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-5)


def test_siblings_share_what_is_read(mesh1) -> None:
    """For every read-out whose text grows by appending only what is new is read."""
    problem = Problem("p", QUESTION, "5")
    special = ("<|im_end|>", "<|im_start|>", "<extra_0>")
    cases = {
        "math-shepherd": policy(sentencepiece(), mesh1),
        "qwen2.5-math-prm": policy(byte_level(*special, template=CHATML), mesh1, head="mlp", labels=2),
        "rlhflow": policy(byte_level(*special, template=CHATML), mesh1),
        "reasoneval-34b": policy(sentencepiece(), mesh1, head="linear", labels=3),
    }
    for name, model in cases.items():
        judge = PrmJudge(model, ABEL, readout=name, problems=1)
        judge([(problem, STEPS), (problem, OTHER)])
        texts = [
            lay_out(READOUTS[name], model.tokenizer, ABEL, QUESTION, [f"{k}. {s}" for k, s in enumerate(own, 1)])
            for own in (STEPS, OTHER)
        ]
        assert all(one.nested for one in texts)
        pieces = {ids for one in texts for ids in itertools.accumulate(one.pieces)}
        assert len(pieces) == 5, "the prompt, two first steps that are one, two seconds and a third"
        before = {ids: max((len(o) for o in pieces if o != ids and ids[: len(o)] == o), default=0) for ids in pieces}
        distinct = sum(len(ids) - length for ids, length in before.items())
        assert judge._engine.counts.writes == distinct, name


def test_what_does_not_fit_is_named(mesh1) -> None:
    model = policy(byte_level("<|im_end|>", template=CHATML), mesh1)
    with pytest.raises(ValueError, match="a language model may be read in several ways: expected readout = one of jorn"):
        PrmJudge(model, ABEL)
    with pytest.raises(ValueError, match="readout = 'mine': expected auto or one of jorney"):
        PrmJudge(model, ABEL, readout="mine")
    with pytest.raises(ValueError, match="expected a reward model with three values a token"):
        PrmJudge(model, ABEL, readout="reasoneval-7b")
    judge = PrmJudge(model, ABEL, readout="math-shepherd")
    with pytest.raises(ValueError, match="'ки' is no token of the reward model's tokenizer"):
        judge.score([(Problem("p", QUESTION, "5"), ["1. a"])])
    reward = policy(byte_level("<|im_end|>", template=CHATML), mesh1, head="mlp", labels=2)
    with pytest.raises(ValueError, match="readout = 'rlhflow' reads a language model's logits"):
        PrmJudge(reward, ABEL, readout="rlhflow")
    with pytest.raises(ValueError, match="'<extra_0>' is no token"):
        PrmJudge(reward, ABEL).score([(Problem("p", QUESTION, "5"), ["1. a"])])


def test_a_language_model_keeps_its_parameters(mesh1) -> None:
    model = policy(sentencepiece(), mesh1)
    small = classifier(model, READOUTS["math-shepherd"])
    assert small.config.labels == 2
    assert small.params["layers"] is model.params["layers"]
    assert set(small.params) == set(parameters.abstract(small.config))
