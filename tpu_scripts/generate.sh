#!/usr/bin/env bash
# Starts a sampling command on every host, each with a share of the problems and its own chips alone.
#
# usage: tpu_scripts/generate.sh [--dry-run] COMMAND [ARGUMENTS]
#        tpu_scripts/generate.sh expand configs/deepseekmath_7b_expand_v5e_8.py --problems gs://B/train.jsonl --output gs://B/trees
#
# The hosts know nothing of each other, so one that dies takes no other with it: start the command again, and it grows what
# is missing. HOSTS_ONLY="2 3" starts it on these hosts alone.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a command: tpu_scripts/generate.sh expand CONFIG.py [OPTIONS]"
log=$(name_of "${POSITIONAL[@]}")
for host in ${HOSTS_ONLY:-}; do
  [[ $host =~ ^[0-9]+$ && $host -lt $HOSTS ]] || fail "HOSTS_ONLY: $host: expected hosts of 0 to $((HOSTS - 1))"
done
for host in ${HOSTS_ONLY:-$(seq 0 $((HOSTS - 1)))}; do
  start "$host" "$log" "$ISOLATED\$HOME/venv/bin/jorney $(quoted "${POSITIONAL[@]}") --shard $host/$HOSTS" || UNREACHED+=" $host"
done
all_reached
