#!/usr/bin/env bash
# Starts a jorney command on every host at the same time: a training that they share.
#
# usage: tpu_scripts/run.sh [--dry-run] COMMAND [ARGUMENTS]
#        tpu_scripts/run.sh sft configs/deepseekmath_7b_sft_v5e_16.py --data gs://B/journeys.jsonl --output gs://B/phase2
#
# It goes on when you disconnect; logs.sh follows it. A run that was cut off goes on when it is started again.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a command: tpu_scripts/run.sh sft CONFIG.py [OPTIONS]"
start all "$(name_of "${POSITIONAL[@]}")" "\$HOME/venv/bin/jorney $(quoted "${POSITIONAL[@]}")"
