"""The script for a machine with an NVIDIA GPU, as far as a machine without one can run it."""

from __future__ import annotations

import json

import check_cuda
import pytest

NAMES = list(check_cuda.CHECKS)


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = check_cuda.main(list(words))
    return code, json.loads(capsys.readouterr().out)


def test_without_a_gpu_every_check_is_skipped_by_its_name(capsys, tmp_path) -> None:
    code, made = _run(capsys, "--out", str(tmp_path / "cuda.json"))
    assert code == 0
    assert [(one["name"], one["status"]) for one in made["checks"]] == [(name, "skipped") for name in NAMES]
    assert all(one["why"] == "no gpu is here: jax found cpu" for one in made["checks"])
    assert made == json.loads((tmp_path / "cuda.json").read_text())
    assert {"logits_embedded", "logits_bfloat16", "attention", "gradients", "engine", "bench_train", "bench_sample"} <= {*NAMES}


def test_attention_is_held_against_float64(capsys) -> None:
    code, made = _run(capsys, "--platform", "cpu", "--only", "attention")
    (one,) = made["checks"]
    assert (code, one["status"], made["platform"]) == (0, "passed", "cpu")
    assert {"packed", "window", "branches", "tree", "cached"} <= one["figures"].keys()
    assert 1e-9 < one["figures"]["error"] < 1e-5


def test_what_was_found_is_kept_after_every_check(capsys, monkeypatch, tmp_path) -> None:
    def killed(here) -> dict:
        raise KeyboardInterrupt

    monkeypatch.setitem(check_cuda.CHECKS, "near", lambda here: {"error": 0.5, "bar": 0.5})
    monkeypatch.setitem(check_cuda.CHECKS, "killed", killed)
    with pytest.raises(KeyboardInterrupt):
        check_cuda.main(["--platform", "cpu", "--only", "near", "killed", "--out", str(tmp_path / "cuda.json")])
    made = json.loads((tmp_path / "cuda.json").read_text())
    assert [(one["name"], one["status"]) for one in made["checks"]] == [("near", "passed")]
    assert capsys.readouterr().err.startswith("near passed (")


def test_a_check_that_fails_is_told_and_the_others_go_on(capsys, monkeypatch) -> None:
    monkeypatch.setitem(check_cuda.CHECKS, "far", lambda here: {"error": 1.0, "bar": 0.5})
    monkeypatch.setitem(check_cuda.CHECKS, "nan", lambda here: {"error": float("nan"), "bar": 0.5})
    monkeypatch.setitem(check_cuda.CHECKS, "broken", lambda here: {"error": here.nothing})
    monkeypatch.setitem(check_cuda.CHECKS, "near", lambda here: {"error": 0.5, "bar": 0.5})
    code, made = _run(capsys, "--platform", "cpu", "--only", "far", "nan", "broken", "near")
    assert code == 1
    assert [one["status"] for one in made["checks"]] == ["failed", "failed", "failed", "passed"]
    assert "no attribute 'nothing'" in made["checks"][2]["why"]


@pytest.mark.slow
def test_all_checks_pass_where_the_device_is_the_cpu(capsys) -> None:
    code, made = _run(capsys, "--platform", "cpu")
    measured = {"logits_fast", "bench_train", "bench_sample"}
    assert {one["name"]: one["status"] for one in made["checks"]} == {
        name: "measured" if name in measured else "passed" for name in NAMES
    }
    assert code == 0
    figures = {one["name"]: one["figures"] for one in made["checks"]}
    assert figures["engine"]["tokens"] == 3 * 2 * 12
    assert figures["logits_bfloat16"]["error"] > 1e-3  # bfloat16 is not float32
    assert figures["bench_train"]["tokens_per_second_per_chip"] > 0
    assert figures["bench_sample"]["nodes_per_second"] > 0
