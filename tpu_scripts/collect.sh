#!/usr/bin/env bash
# Brings results here: a folder of the bucket, and every host's logs.
#
# usage: tpu_scripts/collect.sh [--dry-run] GS_FOLDER DIRECTORY
#        tpu_scripts/collect.sh gs://B/phase2 results
#
# A name that a stage gave its folder, as gs://B/phase2/sft, is followed. What is here already and the same is not fetched again.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

((${#POSITIONAL[@]} == 2)) || fail "expected a gs:// folder and a directory: tpu_scripts/collect.sh gs://B/phase2 results"
[[ ${POSITIONAL[0]} == gs://* ]] || fail "${POSITIONAL[0]}: expected a folder that begins with gs://"
# follow GS_PATH: the folder that it is. In a store NAME.path holds the place, beside it, that NAME stands for.
follow() {
  local name=${1%/} rest="" target
  while [[ $name == gs://*/* ]]; do
    if target=$(gcloud storage cat "$name.path" 2> /dev/null); then
      [[ $target == gs://* ]] || target="${name%/*}/$target"
      echo "$target$rest"
      return
    fi
    rest="/${name##*/}$rest"
    name=${name%/*}
  done
  echo "$1"
}

folder=${POSITIONAL[0]}
((DRY_RUN)) || folder=$(follow "$folder")
run mkdir -p "${POSITIONAL[1]}/logs"
run gcloud storage rsync --recursive "$folder" "${POSITIONAL[1]}"
for ((host = 0; host < HOSTS; host++)); do
  run mkdir -p "${POSITIONAL[1]}/logs/host$host"
  run gcloud compute tpus tpu-vm scp --recurse "$NAME:logs/*" "${POSITIONAL[1]}/logs/host$host" "${WHERE[@]}" --worker="$host" ||
    UNREACHED+=" $host"
done
all_reached
