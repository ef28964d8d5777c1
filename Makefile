# Everything runs in this folder's own virtual environment, made at first use. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo experiment test test-slow chain lint types check parity clean help

help:
	@echo "make demo       set up, then run the quickstart: minutes on two cores"
	@echo "make experiment set up, then journeys against shortcuts by configs/experiment.py: hours"
	@echo "make test       set up, then run the tests"
	@echo "make test-slow  the tests that take minutes as well"
	@echo "make chain      the guide for TPUs, on simulated hosts and a simulated bucket"
	@echo "make check      lint, types, tests and chain, as CI does"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/python tools/measure.py $(BIN)/jorney quickstart

experiment: $(READY) runs/small_base/model/training.json
	$(BIN)/jorney experiment configs/experiment.py --problems final

# The smaller of the experiment's two base models. What was begun is gone on with.
runs/small_base/model/training.json: | $(READY)
	$(BIN)/python tools/train_base_model.py runs/small_base --embed 96 --layers 4

# Two files of tests at a time: most of them keep one core busy.
test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# torch, transformers' own models, TRL, peft and lm-evaluation-harness, for the parity tests; they are skipped where it is missing.
parity: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 accelerate trl peft lm-eval

test-slow: $(READY)
	$(BIN)/python -m pytest -m ''

chain: $(READY)
	$(BIN)/python -m pytest -m slow tests/chain

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

check: lint types test chain

clean:
	rm -rf $(VENV) runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
