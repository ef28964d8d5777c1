#!/usr/bin/env bash
# Starts a jorney command on the first host, with that host's chips alone: convert, evaluate, bench sample, ...
#
# usage: tpu_scripts/alone.sh [--dry-run] COMMAND [ARGUMENTS]
#        tpu_scripts/alone.sh evaluate --model gs://B/phase2/sft --problems gs://B/test.jsonl --output gs://B/grades
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a command: tpu_scripts/alone.sh evaluate [OPTIONS]"
start 0 "$(name_of "${POSITIONAL[@]}")" "$ISOLATED\$HOME/venv/bin/jorney $(quoted "${POSITIONAL[@]}")"
