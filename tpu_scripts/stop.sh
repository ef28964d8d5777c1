#!/usr/bin/env bash
# Stops a command on every host: a training saves first, and the same command goes on from there.
#
# usage: tpu_scripts/stop.sh [--dry-run] COMMAND
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a command's name: tpu_scripts/stop.sh sft"
on all "kill -TERM \$(cat ~/logs/$(name_of "${POSITIONAL[@]}").pid) || echo 'does not run'"
