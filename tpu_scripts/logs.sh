#!/usr/bin/env bash
# Follows what a command says on one host, or shows the last lines of all.
#
# usage: tpu_scripts/logs.sh [--dry-run] COMMAND [HOST]
#        tpu_scripts/logs.sh sft 0      follows host 0
#        tpu_scripts/logs.sh expand     the last ten lines of every host, and whether it runs
#        tpu_scripts/logs.sh prm label  the same of a command of two words
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]})) || fail "expected a command's name: tpu_scripts/logs.sh sft [HOST]"
log=$(name_of "${POSITIONAL[@]}")
last=${POSITIONAL[-1]}
if [[ $last =~ ^[0-9]+$ ]]; then
  on "$last" "tail -n 100 -F ~/logs/$log.log"
  exit
fi
for ((host = 0; host < HOSTS; host++)); do
  echo "--- host $host"
  on "$host" "tail -n 10 ~/logs/$log.log; if kill -0 \$(cat ~/logs/$log.pid) 2> /dev/null; then echo '(runs)'; else echo \"(has ended: exit code \$(cat ~/logs/$log.exit))\"; fi" || UNREACHED+=" $host"
done
all_reached
