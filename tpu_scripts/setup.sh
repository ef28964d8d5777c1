#!/usr/bin/env bash
# Brings this checkout to every host and installs it there.
#
# usage: tpu_scripts/setup.sh [--dry-run]
#
# What git knows travels, uncommitted changes with it, and new files that git does not ignore, up to a megabyte each. Run it
# again after a change, or after a spot machine came back.
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
no_words

archive=${TMPDIR:-/tmp}/jorney-$NAME.tar.gz
cd "$REPOSITORY"
if ((DRY_RUN)); then
  echo "git ls-files -z ... | $(quoted tar --create --gzip --file "$archive" --null --files-from=-)"
else
  {
    git ls-files --cached --deduplicate -z
    git ls-files --others --exclude-standard -z | while IFS= read -r -d '' file; do
      if (($(wc -c < "$file") > 1000000)); then # a result or a model that was brought here
        echo "setup.sh: $file: stays here: git does not know it, and it is large" >&2
      else
        printf '%s\0' "$file"
      fi
    done
  } | while IFS= read -r -d '' file; do
    [[ ! -e $file ]] || printf '%s\0' "$file"
  done | tar --create --gzip --file "$archive" --null --files-from=-
fi
run gcloud compute tpus tpu-vm scp "$archive" "$NAME:jorney.tar.gz" "${WHERE[@]}" --worker=all
# uv brings a Python of its own: the machines' may be older than 3.11.
on all 'set -e
rm -rf ~/jorney && mkdir -p ~/jorney && tar -xzf ~/jorney.tar.gz -C ~/jorney
command -v ~/.local/bin/uv > /dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh > /dev/null
test -x ~/venv/bin/python || ~/.local/bin/uv venv --quiet --python 3.12 ~/venv
cd ~/jorney
# The same versions and files on every host, whenever it was made; then the checkout itself.
~/.local/bin/uv pip install --quiet --python ~/venv/bin/python --require-hashes --requirements tpu_scripts/constraints.txt
~/.local/bin/uv pip install --quiet --python ~/venv/bin/python --no-deps --no-build-isolation --editable .
~/venv/bin/jorney --version'
