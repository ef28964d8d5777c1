#!/usr/bin/env bash
# Asks for a TPU machine and waits until it is there.
#
# usage: tpu_scripts/create.sh [--dry-run]
#
# A machine that is there, or asked for, is not asked for again: run it as often as you like. Needs PROJECT, ZONE, NAME,
# MACHINE; heeds SPOT, RESERVATION, SERVICE_ACCOUNT, VALID_FOR, RUNTIME (see example.env).
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
no_words

state() {
  gcloud compute tpus queued-resources describe "$NAME" "${WHERE[@]}" --format='value(state.state)' 2>/dev/null || true
}

options=(--node-id "$NAME" --accelerator-type "$ACCELERATOR" --runtime-version "$RUNTIME")
if [[ -n ${RESERVATION:-} ]]; then
  options+=(--reserved --reservation "$RESERVATION")
elif [[ ${SPOT:-0} == 1 ]]; then
  options+=(--spot)
fi
[[ -z ${SERVICE_ACCOUNT:-} ]] || options+=(--service-account "$SERVICE_ACCOUNT")
[[ -z ${VALID_FOR:-} ]] || options+=(--valid-until-duration "$VALID_FOR")

found=""
((DRY_RUN)) || found=$(state)
if [[ $found == SUSPENDED || $found == FAILED ]]; then # taken away, or never got: it is asked for anew
  echo "$NAME was $found; it is asked for again" >&2
  run gcloud compute tpus queued-resources delete "$NAME" "${WHERE[@]}" --force --quiet
  found=""
fi
if [[ -z $found ]]; then
  run gcloud compute tpus queued-resources create "$NAME" "${WHERE[@]}" "${options[@]}"
fi
if ((DRY_RUN)); then
  run gcloud compute tpus queued-resources describe "$NAME" "${WHERE[@]}" '--format=value(state.state)'
  exit 0
fi
unknown=0
while found=$(state) && [[ $found != ACTIVE ]]; do
  [[ -n $found ]] && unknown=0 || unknown=$((unknown + 1))
  ((unknown < 10)) || fail "$NAME: nothing is told of it: gcloud compute tpus queued-resources describe $NAME ${WHERE[*]} says why"
  case "$found" in
    FAILED | SUSPENDED) fail "$NAME: $found: gcloud compute tpus queued-resources describe $NAME ${WHERE[*]} says why" ;;
  esac
  echo "$(date +%H:%M:%S) $NAME: ${found:-not known yet}"
  sleep 30
done
echo "$NAME: ACTIVE, $MACHINE with $HOSTS host(s)"
