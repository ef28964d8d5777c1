from __future__ import annotations

import json

from jorney import cli

SMALL = (
    "--model tiny --train.rows 8 --train.length 64 --train.steps 1 --train.runs 1 --decode.rows 8 --decode.trees 8 "
    "--decode.prompt 16 --decode.step-tokens 16 --decode.runs 1 --trees.rows 16 --trees.trees 4 --trees.prompt 16 "
    "--trees.step-tokens 16 --trees.runs 1"
)


def test_one_object_tells_of_all_three(tmp_path) -> None:
    file = tmp_path / "bench.json"
    assert cli.main(["bench", "all", "--output", str(file), *SMALL.split()]) == 0
    found = json.loads(file.read_text())
    assert (found["chip"], found["chips"], found["hosts"]) == ("cpu", 8, 1)
    assert {"jorney", "jax", "jaxlib"} <= found["versions"].keys()
    train = found["train"]
    assert train["asked"]["rows"] == 8
    assert train["asked"]["mesh"]["fsdp"] == -1
    # The bound is what the operations alone allow, of which the MFU is the share that was reached.
    assert abs(train["tokens_per_second_per_chip"] / train["at_most"] - train["mfu_causal"]) < 1e-6
    for part in ("decode", "trees"):
        asked, told = found[part]["asked"], found[part]
        assert asked["model"] == "tiny"
        assert asked["mesh"]["tensor"] == -1
        least = told["step_gb"] / told["bandwidth"]  # seconds of a decode step that does nothing but read
        assert abs(told["at_most"] * 8 * least / asked["rows"] - 1) < 1e-6
    assert found["decode"]["nodes_per_second"] > 0
