"""`jorney push`: what goes to the hub is a model that transformers reads, and a card that says what it is."""

from __future__ import annotations

import json
import pathlib
import shutil

import huggingface_hub
import pytest
from places import ROOT

from jorney import cli, storage


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that keeps what is uploaded in a folder."""
    kept = tmp_path / "hub"
    asked: list[dict] = []

    def upload(repo_id: str, folder_path: str, commit_message: str) -> None:
        assert commit_message.startswith("Uploaded by Jorney")
        shutil.copytree(folder_path, kept / repo_id)

    def create(repository: str, **how: object) -> str:
        asked.append({"repository": repository, **how})
        return f"https://huggingface.co/{repository}"

    monkeypatch.setattr(huggingface_hub.HfApi, "whoami", lambda api: {"name": "me"})
    monkeypatch.setattr(huggingface_hub, "create_repo", create)
    monkeypatch.setattr(huggingface_hub, "upload_folder", upload)
    return kept, asked


def test_a_trained_model_goes_with_its_card(hub, tmp_path, capsys) -> None:
    kept, asked = hub
    storage.write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "a b", "completion": " c"}] * 4)
    out = tmp_path / "out"
    assert cli.main(["sft", "--data", str(tmp_path / "rows.jsonl"), "--output", str(out), "--sft.epochs", "1"]) == 0
    results = {"accuracy": 0.5, "n": 20, "ci_low": 0.3, "ci_high": 0.7, "about": {"settings": {"problems": "test.jsonl"}}}
    (tmp_path / "summary.json").write_text(json.dumps(results))
    line = ["push", str(out / "sft" / "model"), "me/mine", "--results", str(tmp_path / "summary.json"), "--private"]
    assert cli.main(line) == 0
    assert "pushed to https://huggingface.co/me/mine" in capsys.readouterr().out
    assert asked == [{"repository": "me/mine", "private": True, "exist_ok": True}]
    files = {file.name for file in (kept / "me" / "mine").iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json", ".jorney.json"} <= files
    card = (kept / "me" / "mine" / "README.md").read_text()
    assert 'library_name: "transformers"' in card
    for told in (
        "| base model | embedded |",
        "| objective | sft |",
        "| examples | 4 |",
        "| step format | abel |",
        "Problems: test.jsonl.",
    ):
        assert told in card
    assert "| accuracy | 50.0% (30.0% to 70.0%, 95% interval) |" in card
    # It reads as what it was, format included.
    from jorney.policy import learned

    assert learned(str(kept / "me" / "mine")) == "abel"


def test_what_is_refused_leaves_nothing(hub, monkeypatch, capsys, tmp_path) -> None:
    def unknown(api: object) -> None:
        raise huggingface_hub.errors.LocalTokenNotFoundError("no token")

    monkeypatch.setattr(huggingface_hub.HfApi, "whoami", unknown)
    assert cli.main(["push", "embedded", "me/mine"]) == 2
    assert "me/mine: the hub does not know you: no token: expected a login: hf auth login" in capsys.readouterr().err
    assert cli.main(["push", "embedded", "mine"]) == 2
    assert "repository = 'mine': expected USER/NAME" in capsys.readouterr().err
    assert cli.main(["push", "embedded", "me/mine", "--results", str(tmp_path / "no.json")]) == 2
    assert "no.json: no such file: expected the summary.json of an evaluation" in capsys.readouterr().err
    assert not pathlib.Path(hub[0]).exists()


def test_an_adapter_goes_without_its_base_or_merged(hub, tmp_path, capsys) -> None:
    kept, _ = hub
    adapter = shutil.copytree(ROOT / "tests" / "golden" / "peft_adapter", tmp_path / "adapter")
    assert cli.main(["push", str(adapter), "me/alone"]) == 2
    assert f"{adapter}: an adapter for embedded, which nobody else has: expected --merge" in capsys.readouterr().err
    assert cli.main(["push", str(adapter), "me/merged", "--merge"]) == 0
    assert (kept / "me" / "merged" / "config.json").exists()
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": "owner/base"}))
    assert cli.main(["push", str(adapter), "me/alone"]) == 0  # its base is asked for nothing
    written = kept / "me" / "alone"
    assert not (written / "config.json").exists()
    assert (written / "adapter_model.safetensors").read_bytes() == (adapter / "adapter_model.safetensors").read_bytes()
    card = (written / "README.md").read_text()
    assert 'library_name: "peft"' in card
    assert 'base_model: "owner/base"' in card
    assert "an adapter (LoRA) of owner/base; peft loads it" in card
