# make demo, make test, make bench: each does all its set-up by itself.
#
# Needs Python >= 3.10 with venv, a C compiler and make. Everything else goes into
# .venv and build/.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CORE   := $(filter-out csrc/fl_sys_%.c,$(wildcard csrc/*.c)) csrc/fl_sys_linux.c
HEADERS := $(wildcard csrc/*.h csrc/*.def)
CTESTS := $(patsubst tests/c/%.c,build/c/%,$(wildcard tests/c/test_*.c))
CFLAGS_TEST := -std=c11 -g -O1 -Wall -Wextra -Werror -fno-sanitize-recover=all

.PHONY: all demo test test-c test-python lint bench clean
.DELETE_ON_ERROR:

all: build/.installed

# --- set-up -------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "fastlive needs Python >= 3.10; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig, venv, ensurepip; \
	  sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
	  || { echo "fastlive needs Python's venv and headers (Debian: python3-venv python3-dev)" >&2; \
	       exit 1; }
	@echo "setting up $(VENV), once; about 20 s"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group build 'rich>=13'
	@touch $@

$(VENV)/.dev: build/.installed
	@echo "installing the test tools, once"
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

# An editable install; it is made again only when what is compiled has changed.
build/.installed: $(VENV)/.tools setup.py $(wildcard csrc/*) src/fastlive/_core.pyx src/fastlive/_core.pxd
	@echo "building the extension"
	@FASTLIVE_IMPL=c $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@mkdir -p build && touch $@

$(VENV)/.bench: build/.installed
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[bench]'
	@touch $@

# --- the main job -------------------------------------------------------------

demo: build/.installed
	$(BIN)/python -m fastlive demo

# --- tests --------------------------------------------------------------------

test: test-c lint test-python

# Under AddressSanitizer and UBSan where the compiler has them.
build/c/sanitize: | build/.installed
	@mkdir -p build/c
	@echo 'int main(void) { return 0; }' > build/c/probe.c
	@if $(CC) -fsanitize=address,undefined -o build/c/probe build/c/probe.c 2>/dev/null \
	  && build/c/probe; then echo '-fsanitize=address,undefined' > $@; else : > $@; fi

build/c/%: tests/c/%.c tests/c/test.h tests/c/judge_cases.def $(CORE) $(HEADERS) build/c/sanitize
	$(CC) $(CFLAGS_TEST) $$(cat build/c/sanitize) -Icsrc -Itests/c -o $@ $< $(CORE)

test-c: $(CTESTS)
	@for test in $(CTESTS); do \
	  $$test; code=$$?; \
	  if [ $$code -eq 77 ]; then echo "$$test: skipped"; \
	  elif [ $$code -ne 0 ]; then exit $$code; fi; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 tests/typing
	$(BIN)/python -m mypy.stubtest fastlive --mypy-config-file pyproject.toml

test-python: $(VENV)/.dev
	@echo "pytest on both backends; two to three minutes"
	$(BIN)/python -m pytest

# --- speed --------------------------------------------------------------------

build/floor.so: benchmarks/floor.c
	@mkdir -p build
	$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC -o $@ $<

bench: $(VENV)/.bench build/floor.so
	$(BIN)/python benchmarks/bench.py

clean:
	rm -rf $(VENV) build dist wheelhouse src/*.egg-info src/fastlive/*.so
