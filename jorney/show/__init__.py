"""The report of a run: report.json, report.md and a self-contained report.html, all from one dictionary.

`tables` and `findings` turn the dictionary into rows and sentences, `figures` draws it, `report_page` puts these into sections,
`markdown` and `page` lay any document out. To report more, add a table or a figure there and a section to `report_page`; what
is missing from the dictionary is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jorney.show.samples import Sample, SampleOutput

if TYPE_CHECKING:
    from etils import epath

    from jorney.thought.thought import Thought
    from jorney.tree.tree import Tree

__all__ = ["Sample", "SampleOutput", "write"]


def write(
    folder: epath.PathLike,
    report: Mapping[str, Any],
    samples: Sequence[Sample] = (),
    tree: Tree | None = None,
    thoughts: tuple[Thought, Thought] | None = None,
) -> None:
    """Writes report.json, report.md and report.html into `folder` (local or gs://); equal input gives equal bytes.

    Args:
      folder: made where it does not exist; files of an earlier report are replaced.
      report: JSON values only. Keys that the page does not know stay in report.json and change nothing else.
      samples: what each model wrote for a handful of problems; in report.md and report.html only.
      tree: one to draw, in report.html only.
      thoughts: a journey and its shortcut, to be read side by side; in report.md and report.html only.

    Raises:
      TypeError: a value is none of JSON's. Nothing has been written then.
    """
    # Here, so that importing this package needs neither matplotlib nor a file system.
    from jorney import storage
    from jorney.show import markdown, page, report_page

    # Null for NaN and infinity, which JSON lacks: a diverged run must still get its report.
    values = json.loads(json.dumps(dict(report)), parse_constant=lambda _: None)
    document = report_page.document(report, samples, tree, thoughts)
    # All are made before any is written: a report that cannot be made leaves nothing half-written behind.
    files = {
        "report.json": json.dumps(values, indent=2, allow_nan=False) + "\n",
        "report.md": markdown.text(document),
        "report.html": page.html(document),
    }
    root = storage.path(folder)
    for name, text in files.items():
        # Bytes, because the encoding and the line ends of text depend on the machine.
        storage.write_bytes(root / name, text.encode("utf-8", errors="replace"))
