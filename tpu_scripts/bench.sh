#!/usr/bin/env bash
# Measures the machine: a training's step on all chips together, then decoding and trees on the first host's own.
#
# usage: tpu_scripts/bench.sh [--dry-run] OUTPUT.json [OPTIONS]
#        tpu_scripts/bench.sh gs://B/bench.json --model deepseekmath-7b --train.rows 16 --train.length 4096
#
# OPTIONS are those of `jorney bench all`. The object in OUTPUT.json holds chip, versions, tokens a second and chip, MFU, and
# the rate that the plan's bounds allow. logs.sh bench shows how far it is.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a file for the result: tpu_scripts/bench.sh gs://B/bench.json [OPTIONS]"
words=(bench all --output "${POSITIONAL[0]}" "${POSITIONAL[@]:1}")
((HOSTS == 1)) || words+=(--distributed.coordinator auto)
start all bench "\$HOME/venv/bin/jorney $(quoted "${words[@]}")"
