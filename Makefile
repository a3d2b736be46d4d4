# `make verify` and `make test` do all of their own set-up: they need Python 3.11 or newer, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
BENCH := .venv-bench

export PYTHONDONTWRITEBYTECODE = 1
# What the caller's environment adds must not reach into the environment made here.
unexport PYTHONPATH
unexport PYTHONHOME
unexport VIRTUAL_ENV

.PHONY: verify test docs bench mutants format clean

verify: $(READY)  ## hold dezero against its laws, on random programs
	$(BIN)/dezero verify $(ARGS)

test: $(READY)  ## everything that must hold: pytest, mypy, pyright, ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -n auto --dist loadgroup

docs: $(READY)  ## the site, from docs/ and the other Markdown files, into build/site
	$(BIN)/python docs/operations_page.py
	$(BIN)/sphinx-build -E -a -W --keep-going -q -c docs . build/site

bench: $(BENCH)/ready  ## dezero beside NumPy by hand, torch, autograd, mygrad and jax, in one run
	$(BENCH)/bin/python -m benchmarks $(ARGS)

mutants: $(READY)  ## does the suite notice changes of the sources? SAMPLE=100 tries as many
	nice $(BIN)/python tests/mutation/run.py $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

format: $(READY)  ## put the sources into their form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(BENCH) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	rm -rf $(VENV)
	$(PYTHON) -c 'import sys; sys.exit("dezero needs Python 3.11 or newer; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

$(BENCH)/ready: pyproject.toml
	rm -rf $(BENCH)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --editable '.[peers]'
	touch $(BENCH)/ready
