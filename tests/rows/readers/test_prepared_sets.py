"""Data sets that TFDS prepared bring no code of their own."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
from tfds_sets import prepare

from jorney.rows.sources import read_rows


@pytest.mark.parametrize("by", ["folder", "name"])
@pytest.mark.parametrize("depth", ["whole", "one"])
def test_features_of_other_modules_are_refused_and_not_imported(tmp_path, monkeypatch, by, depth) -> None:
    from tensorflow_datasets import features

    folder = prepare(tmp_path, [{"text": "a"}], {"text": features.Text()}, "array_record")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    source = f"tfds:{folder}" if by == "folder" else "tfds:tiny"
    assert [row for _, row in read_rows(source)] == [{"text": "a"}]
    (tmp_path / "own_feature.py").write_text("raise SystemExit('code of the folder is run')")
    monkeypatch.syspath_prepend(tmp_path)
    file = pathlib.Path(folder) / "features.json"
    fields = json.loads(file.read_text())
    told = fields if depth == "whole" else fields["featuresDict"]["features"]["text"]
    told["pythonClassName"] = "own_feature.Own"
    file.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"features.json: features of the kind 'own_feature.Own': expected TFDS's own"):
        list(read_rows(source))
    assert "own_feature" not in sys.modules
