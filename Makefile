# make demo: environment, installation and the main job. make test: the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_METHODS := finetune,joint,er,ewc,lwf,nmc
DEMO_FORGETTING := retrain,do_nothing,finetune_retain,gradient_ascent,scrub,ssd,dmm
DEMO_STREAMS := forget-digits-random,forget-digits-class
INSTALLED := $(VENV)/.installed
PEERS := .venv-bench

.PHONY: demo test lint bench clean

demo: $(INSTALLED)
	$(BIN)/clbench sweep $(DEMO_METHODS) split-digits --seeds 5 --out runs/demo --no-scores
	$(BIN)/clbench sweep $(DEMO_FORGETTING) $(DEMO_STREAMS) --seeds 20 --control-seeds 100 \
		--stores runs/stores --tuned leaderboard/boards/forget-digits.tuned.toml \
		--out runs/demo --no-scores
	$(BIN)/clbench report runs/demo --output runs/demo/report.html

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n auto --dist loadscope

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(PEERS)/.installed
	$(BIN)/python -m tests.benchmarks

$(INSTALLED): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

# Avalanche lies apart, so that its many dependencies change no version of ours; torch is shared.
$(PEERS)/.installed: $(INSTALLED)
	$(BIN)/python -m venv $(PEERS)
	echo "import site; site.addsitedir('$$(echo $(CURDIR)/$(VENV)/lib/python3*/site-packages)')" \
		> $$(echo $(PEERS)/lib/python3*/site-packages)/ours.pth
	$(PEERS)/bin/python -m pip install --quiet "avalanche-lib==0.6.0"
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) runs
