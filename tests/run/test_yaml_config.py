"""Options from a YAML file, and back into one."""

from __future__ import annotations

import pathlib

import pytest

from jorney.run.stages.fine_tuning import SftCommand
from jorney.run.yaml_config import save, words_of


@pytest.fixture
def ran(monkeypatch):
    found: list[object] = []
    monkeypatch.setattr(SftCommand, "execute", lambda command: found.append(command))
    return found


def test_a_file_gives_options_and_words_win(tmp_path, ran) -> None:
    file = tmp_path / "sft.yaml"
    file.write_text("seed: 3\nlossy: true\nsft:\n  epochs: 2\n  optimizer: {learning_rate: 1.0e-4}\nlimit: null\n")
    SftCommand.main(["--config", str(file), "--seed", "7"])
    (found,) = ran
    assert (found.seed, found.lossy, found.sft.epochs, found.limit) == (7, True, 2, None)
    assert found.sft.optimizer.learning_rate == 1e-4


def test_what_is_saved_is_read_as_the_same(tmp_path, ran) -> None:
    file = str(tmp_path / "mine.yaml")
    SftCommand.main(["--sft.epochs", "5", "--model", "some/where", "--no-excursion-loss", "--save-config", file])
    SftCommand.main([f"--config={file}"])
    assert ran[0] == ran[1]
    assert ran[0].sft.epochs == 5
    assert "row_length" not in pathlib.Path(file).read_text()  # what gives way to the model is not stated
    assert type(ran[1].sft.row_length) is type(ran[0].sft.row_length)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sft:\n  epoch: 2\n", r"c\.yaml: unknown option 'sft\.epoch': did you mean"),
        ("- 1\n", r"c\.yaml: expected options, a name and a value on each line, got a list"),
        ("a: [1\n", r"c\.yaml: while parsing"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        words_of(str(tmp_path / "c.yaml"), SftCommand())


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.yaml: no such file"):
        words_of(str(tmp_path / "no.yaml"), SftCommand())
    with pytest.raises(ValueError, match=r"--save-config x\.json: expected a name that ends in \.yaml"):
        save(SftCommand(), "x.json")
