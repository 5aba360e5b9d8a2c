# Two commands on a fresh machine with Python >= 3.11 and make: `make demo` and `make test`. Both do all the set-up.

PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= 2
BIN     := $(VENV)/bin
FOLDERS := src tests benchmarks docs/hooks

.PHONY: demo test lint format site notebooks package clean

demo: $(VENV)/.ready
	$(BIN)/infomax demo

test: $(VENV)/.ready-test lint
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: $(VENV)/.ready-test
	$(BIN)/ruff format --check $(FOLDERS)
	$(BIN)/ruff check $(FOLDERS)
	$(BIN)/mypy

format: $(VENV)/.ready-test
	$(BIN)/ruff check --fix $(FOLDERS)
	$(BIN)/ruff format $(FOLDERS)

site: $(VENV)/.ready-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

notebooks: $(VENV)/.ready-test
	$(BIN)/python -W error -m tests.notebooks

# Builds sdist and wheel into dist/, and runs the wheel in an environment of its own.
package: $(VENV)/.ready-test
	rm -rf dist $(VENV)-package
	$(BIN)/python -m hatchling build --directory dist
	$(PYTHON) -m venv $(VENV)-package
	$(VENV)-package/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd dist && ../$(VENV)-package/bin/python -P -m infomax --version
	cd dist && ../$(VENV)-package/bin/infomax fit digits:test --recipe dim-digits --epochs 1 --out run --overwrite
	rm -rf $(VENV)-package dist/run

clean:
	rm -rf site dist $(VENV) $(VENV)-package infomax-demo

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "infomax needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.ready-test: pyproject.toml constraints.txt | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@ $(VENV)/.ready
