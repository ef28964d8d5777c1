"""`jorney push`: a model on the hub, with a card that says what it was trained on, by which command, and what was found."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from jorney import __version__, storage
from jorney.convert.locate import ADAPTER, is_adapter, stated_base
from jorney.policy import ABOUT, about_of
from jorney.progress import Progress
from jorney.run import results
from jorney.run.artifact import open_model
from jorney.run.command import Command
from jorney.run.commands.checkpoints import ExportCommand, expect_dtype
from jorney.sharding import MeshConfig

CARD = "README.md"


@dataclasses.dataclass(frozen=True)
class PushCommand(Command):
    """A model on the Hugging Face hub, as transformers loads it, with a model card. Log in first: hf auth login.

    Attributes:
      model: a folder (local or gs://): one that a stage made (RUN/sft/model), or any other.
      repository: USER/NAME on the hub; it is made where it is not there yet.
      results: a summary.json of `jorney evaluate`, whose figures the card shows too.
      private: whether a repository that is made now is private.
      merge: an adapter becomes part of its base, and the whole model is pushed.
      dtype: of the weights there; None keeps the one in which they are stored.
      verify: of a model that a stage made, large files are read again and held against their digests, too.
    """

    command: ClassVar[str] = "push"
    places: ClassVar[dict[str, str]] = {"model": "MODEL", "repository": "USER/NAME"}

    model: str = ""
    repository: str = ""
    results: str = ""
    private: bool = False
    merge: bool = False
    dtype: str | None = None
    verify: bool = False
    mesh: MeshConfig = dataclasses.field(default_factory=lambda: MeshConfig(data=1, fsdp=-1))

    def __post_init__(self) -> None:
        expect_dtype(self)
        if self.repository and self.repository.count("/") != 1:
            raise ValueError(f"repository = {self.repository!r}: expected USER/NAME")

    def execute(self) -> None:
        """Nothing is uploaded unless all of it is written.

        Raises:
          FileNotFoundError, ValueError: for what is wrong with the model or the results, or what the hub refuses.
        """
        import huggingface_hub

        found = _figures(self.results) if self.results else {}
        adapter = "" if self.merge else self._base_of_adapter()
        name = f"{self.repository}: the hub"
        try:
            huggingface_hub.HfApi().whoami()
        except Exception as error:  # of the hub's library, or of the one by which it speaks
            raise ValueError(f"{name} does not know you: {_first(error)}: expected a login: hf auth login") from None
        with tempfile.TemporaryDirectory() as kept:
            folder = os.path.join(kept, "model")
            ExportCommand(self.model, folder, self.dtype, self.verify, self.mesh, self.merge).execute()
            for hidden in (one for one in os.listdir(folder) if one.startswith(".") and one != ABOUT):
                os.unlink(os.path.join(folder, hidden))
            storage.write_text(os.path.join(folder, CARD), card(self.repository, about_of(folder), found, adapter))
            try:
                where = huggingface_hub.create_repo(self.repository, private=self.private, exist_ok=True)
                huggingface_hub.upload_folder(
                    repo_id=self.repository, folder_path=folder, commit_message=f"Uploaded by Jorney {__version__}"
                )
            except Exception as error:
                raise ValueError(f"{name} refused: {_first(error)}") from None
        Progress().say(f"{self.model}: pushed to {where}")

    def _base_of_adapter(self) -> str:
        """The hub id of an adapter's base; "" of a whole model. Raises ValueError where nobody else has the base."""
        folder = open_model(self.model, self.verify)
        if not is_adapter(folder):
            return ""
        if not _is_hub_id(base := stated_base(folder)):
            what = f"{self.model}: an adapter for {base}, which nobody else has"
            raise ValueError(f"{what}: expected --merge, or a base_model_name_or_path of the hub in its {ADAPTER}")
        return base


def _first(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _figures(file: str) -> dict[str, Any]:
    where = storage.path(file)
    if not where.exists():
        raise FileNotFoundError(f"{file}: no such file: expected the summary.json of an evaluation")
    found = storage.read_json(where)
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected the summary.json of an evaluation, an object")
    return found


def card(repository: str, about: Mapping[str, Any], found: Mapping[str, Any], adapter: str = "") -> str:
    """A model card.

    Args:
      about: see `policy.about_of`.
      found: of an evaluation, its summary.
      adapter: the base of an adapter; "" of a whole model.
    """
    base = adapter or about.get("base", "")
    head = {
        "library_name": "peft" if adapter else "transformers",
        "tags": ["jorney", *([about["objective"]] if "objective" in about else [])],
    }
    if _is_hub_id(base):
        head["base_model"] = base
    return "\n".join(("---", *_yaml(head), "---", "", *_body(repository, about, found, adapter), ""))


def _is_hub_id(base: str) -> bool:
    return base.count("/") == 1 and base[0] not in "./~" and not os.path.exists(base)


def _yaml(head: Mapping[str, Any]) -> Iterator[str]:
    for name, value in head.items():
        yield f"{name}: {json.dumps(value)}"


def _body(repository: str, about: Mapping[str, Any], found: Mapping[str, Any], adapter: str) -> Iterator[str]:
    yield f"# {repository.rpartition('/')[2]}"
    yield ""
    what = f"an adapter (LoRA) of {adapter}; peft loads it" if adapter else "transformers loads it"
    yield f"Written by Jorney {about.get('version', __version__)}; {what}."
    base = adapter or about.get("base") or ""
    base = base if _is_hub_id(base) else os.path.basename(base.rstrip("/"))  # a path here is nobody's concern
    rows = {"base model": base, "objective": about.get("objective"), "trained on": about.get("data")}
    rows |= {"step format": about.get("step_format")}
    if any(rows.values()):
        yield from ("", "## How it was trained", "")
        yield from _table((name, str(value)) for name, value in rows.items() if value)
        if about.get("command"):
            yield from ("", "```sh", about["command"], "```")
    if about.get("settings"):
        yield from ("", "<details><summary>Settings</summary>", "", "```json")
        yield json.dumps(about["settings"], indent=1)
        yield from ("```", "", "</details>")
    for title, figures in (("The training's figures", about.get("figures", {})), ("Evaluation", found)):
        if told := [(name.strip(), text) for name, text in results.told(figures)]:
            yield from ("", f"## {title}", "")
            yield from _table(told)
    if (asked := found.get("about", {}).get("settings", {}).get("problems")) is not None:
        yield from ("", f"Problems: {asked}.")


def _table(rows: Any) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for name, text in rows:
        yield f"| {name} | {text} |"
