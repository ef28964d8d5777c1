#!/usr/bin/env bash
# Brings results here: a folder of the bucket, and every host's logs.
#
# usage: tpu_scripts/collect.sh [--dry-run] GS_FOLDER DIRECTORY
#        tpu_scripts/collect.sh gs://B/phase2 results
#
# What is here already and the same is not fetched again.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]} == 2)) || fail "expected a gs:// folder and a directory: tpu_scripts/collect.sh gs://B/phase2 results"
[[ ${POSITIONAL[0]} == gs://* ]] || fail "${POSITIONAL[0]}: expected a folder that begins with gs://"
run mkdir -p "${POSITIONAL[1]}/logs"
run gcloud storage rsync --recursive "${POSITIONAL[0]}" "${POSITIONAL[1]}"
for ((host = 0; host < HOSTS; host++)); do
  run mkdir -p "${POSITIONAL[1]}/logs/host$host"
  run gcloud compute tpus tpu-vm scp --recurse "$NAME:logs/*" "${POSITIONAL[1]}/logs/host$host" "${WHERE[@]}" --worker="$host"
done
