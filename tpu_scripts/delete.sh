#!/usr/bin/env bash
# Gives the machine back, and with it all that lies on its disks. What is in the bucket stays.
#
# usage: tpu_scripts/delete.sh [--dry-run]
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
no_words

if ! ((DRY_RUN)) && ! gcloud compute tpus queued-resources describe "$NAME" "${WHERE[@]}" > /dev/null 2>&1; then
  echo "$NAME: there is none"
  exit 0
fi
run gcloud compute tpus queued-resources delete "$NAME" "${WHERE[@]}" --force --quiet
