# shellcheck shell=bash
# Sourced by the scripts beside it: options, settings, and `run`, which runs a command or prints it.
set -euo pipefail

DRY_RUN=0
POSITIONAL=()
while (($#)); do
  case "$1" in
    --dry-run) DRY_RUN=1 ;;
    --help | -h)
      sed -n '2,/^# shellcheck/{/^# shellcheck/!s/^# \{0,1\}//p;}' "$0"
      exit 0
      ;;
    --)
      shift
      POSITIONAL+=("$@")
      break
      ;;
    -*)
      # What comes after the first word belongs to the command that is to be run.
      if ((${#POSITIONAL[@]})); then
        POSITIONAL+=("$@")
        break
      fi
      echo "$(basename "$0"): unknown option $1: expected --dry-run or --help" >&2
      exit 2
      ;;
    *) POSITIONAL+=("$1") ;;
  esac
  shift
done

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# For scripts that take no words: one that is misspelt, as `dry-run`, must not be taken for none.
no_words() {
  ((${#POSITIONAL[@]} == 0)) || fail "${POSITIONAL[0]}: one word too many: expected --dry-run, --help or nothing"
}

for setting in PROJECT ZONE NAME MACHINE; do
  [[ -n ${!setting:-} ]] || fail "$setting is not set: copy tpu_scripts/example.env, fill it in, and source it"
done

GENERATION=${MACHINE%-*}
SIZE=${MACHINE##*-}
[[ $SIZE =~ ^[0-9]+$ ]] || fail "MACHINE = $MACHINE: expected a generation and a size, as v5e-16"
# Google's name of the machine, its software, and how many hosts it has; the number of v4 and v5p counts TensorCores.
case "$GENERATION" in
  v4) ACCELERATOR=v4-$SIZE RUNTIME_DEFAULT=tpu-ubuntu2204-base CHIPS=$((SIZE / 2)) ALONE=4 ;;
  v5e | v5litepod) ACCELERATOR=v5litepod-$SIZE RUNTIME_DEFAULT=v2-alpha-tpuv5-lite CHIPS=$SIZE ALONE=8 ;;
  v5p) ACCELERATOR=v5p-$SIZE RUNTIME_DEFAULT=v2-alpha-tpuv5 CHIPS=$((SIZE / 2)) ALONE=4 ;;
  v6e) ACCELERATOR=v6e-$SIZE RUNTIME_DEFAULT=v2-alpha-tpuv6e CHIPS=$SIZE ALONE=8 ;;
  7x | tpu7x) fail "MACHINE = $MACHINE: TPU 7x is let through Google Kubernetes Engine only, see tpu_scripts/README.md" ;;
  *) fail "MACHINE = $MACHINE: expected one of v4, v5e, v5p, v6e and a size, as v5e-16" ;;
esac
RUNTIME=${RUNTIME:-$RUNTIME_DEFAULT}
if ((CHIPS <= ALONE)); then HOSTS=1; else HOSTS=$((CHIPS / 4)); fi
WHERE=(--project "$PROJECT" --zone "$ZONE")
REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ACCELERATOR RUNTIME HOSTS REPOSITORY CHIPS  # for the scripts that source this

# What a host needs to know to use its own chips alone: libtpu would wait for the other hosts of the machine.
ISOLATED=""
if ((HOSTS > 1)); then
  ISOLATED="env TPU_PROCESS_BOUNDS=1,1,1 TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1 TPU_VISIBLE_CHIPS=0,1,2,3 "
fi
export ISOLATED

# Words as one command line of a shell.
quoted() {
  local word line=""
  for word; do
    if [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then
      line+=" $word"
    else
      line+=" '${word//\'/\'\\\'\'}'"
    fi
  done
  echo "${line# }"
}

# Runs a command; with --dry-run prints it.
run() {
  if ((DRY_RUN)); then quoted "$@"; else "$@"; fi
}

# on WORKER COMMAND: runs a command on one host, or on "all".
on() {
  run gcloud compute tpus tpu-vm ssh "$NAME" "${WHERE[@]}" --worker="$1" --command="$2"
}

# name_of WORDS: what the hosts call a command: "sft", and of a group with a word of its own, "prm-label".
name_of() {
  if [[ $1 =~ ^(prm|bench|trees|thoughts)$ && ${2:-} =~ ^[a-z]+$ ]]; then echo "$1-$2"; else echo "$1"; fi
}

# start WORKER NAME COMMAND: starts a command line on one host, or on "all", that goes on when the connection ends. What it says
# is in logs/NAME.log, its process in logs/NAME.pid, and when it has ended its exit code in logs/NAME.exit. What runs already is
# left alone: a second one would want the same chips.
start() {
  local log="\$HOME/logs/$2"
  local runs="grep -qsa jorney /proc/\$(cat $log.pid 2> /dev/null || echo none)/cmdline"
  local goes_on="trap '' HUP; $3 > $log.log 2>&1 < /dev/null & echo \$! > $log.pid; wait \$!; echo \$? > $log.exit"
  local begin="mkdir -p ~/logs && cd ~/jorney && rm -f $log.exit && { ($goes_on) > /dev/null 2>&1 & }"
  on "$1" "if $runs; then echo \"\$(hostname): $2 runs already\"; else $begin; fi"
}

# HOSTS that a loop could not reach: named once all others have been asked.
UNREACHED=""
all_reached() {
  [[ -z $UNREACHED ]] || fail "not reached: host$UNREACHED: the others were; run it again"
}
