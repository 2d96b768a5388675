# One place for every chore.  `make demo` is the whole path from a formula to a trained flow.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench bench-peers notebooks clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $(STAMP)

demo: setup
	$(BIN)/hamsym reproduce ehf --quick

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup
	$(BIN)/ruff check hamsym learn tests benchmarks
	$(BIN)/ruff format --check hamsym learn tests benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

bench: setup
	for script in $(filter-out benchmarks/peers_% benchmarks/side_by_side.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

bench-peers: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,peers]'
	for script in benchmarks/peers_*.py; do $(BIN)/python $$script || exit 1; done

notebooks: setup
	$(BIN)/python -m pytest -q tests/test_notebooks.py

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
