# make demo: environment, installation and the main job. make test: the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_METHODS := finetune,joint,er,ewc,lwf,nmc
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(INSTALLED)
	$(BIN)/clbench sweep $(DEMO_METHODS) split-digits --seeds 5 --out runs/demo
	$(BIN)/clbench report runs/demo --output runs/demo/report.html

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n auto --dist loadscope

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m tests.benchmarks

$(INSTALLED): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

$(VENV)/.bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet "avalanche-lib>=0.6"
	@touch $@

clean:
	rm -rf $(VENV) runs
