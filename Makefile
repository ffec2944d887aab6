# make demo   predict the packaged example photos
# make test   run the tests
# make lint   check style, types and which room imports which
#
# Each sets up what it needs in VENV the first time.

PYTHON ?= python3
VENV ?= .venv
OUT ?= out/demo
MARK ?= not slow

PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint

demo: $(VENV)/core-installed
	$(VENV)/bin/deepgaze2 predict src/deepgaze2/assets/examples -o "$(OUT)" --force

test: $(VENV)/dev-installed
	$(VENV)/bin/python -m pytest -m "$(MARK)"

lint: $(VENV)/dev-installed
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=...")'
	$(PYTHON) -m venv "$(VENV)"

# The stamps come last, so that an interrupted installation starts again.
$(VENV)/core-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing deepgaze2 into $(VENV)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/dev-installed: $(VENV)/core-installed
	@echo "installing PyTorch and the development tools into $(VENV)"
	@$(PIP_INSTALL) --editable '.[train,serve,dev]'
	@touch $@
