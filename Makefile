# Two commands matter: `make app` opens the tool, `make test` runs every default test. Both prepare all they need.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.PHONY: app setup test test-slow check check-js bench browser demo-checkpoint clean

app: setup
	$(BIN)/python app.py $(ARGS)

setup: $(READY)

$(READY): $(wildcard requirements*.txt) constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' || { \
	    echo 'Python 3.10 or newer with its venv module is needed: set PYTHON=/path/to/python3.x, or install python3-venv'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt -c constraints.txt
	touch $@

test: setup browser
	$(BIN)/python -m pytest $(ARGS)

test-slow: setup browser
	$(BIN)/python -m pytest -m slow $(ARGS)

check: setup check-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/codespell
	$(BIN)/vulture
	$(BIN)/deptry . --config .deptry.toml

# The page's modules, by tools from npm: `make check-js FIX=1` also formats them.
check-js:
	@tools=tests/page/node_modules/.bin; \
	[ -x $$tools/eslint ] || npm --prefix tests/page install --no-package-lock --no-audit --no-fund --silent || { \
	    echo 'The page is NOT CHECKED: that needs npm (Debian: apt-get install npm), which fetches prettier and eslint once.'; \
	    [ -z "$$CI$$CMHKF_REQUIRE_BROWSER" ]; exit; }; \
	$$tools/prettier --config tests/page/prettier.json $(if $(FIX),--write,--check) --log-level warn \
	    'app/static/**/*.{js,css}' 'tests/page/*.js' && $$tools/eslint -c tests/page/eslint.config.js app/static tests/page

# Every table that needs no files of yours, one after the other; a bar that is not met does not stop the rest.
bench: setup
	-$(BIN)/python benchmarks/physical_limit.py
	-$(BIN)/python benchmarks/gpu_check.py
	-$(BIN)/python benchmarks/analyze.py
	-$(BIN)/python benchmarks/training.py
	-$(BIN)/python benchmarks/memory.py --minutes 1 10
	-$(BIN)/python benchmarks/scale.py
	-$(BIN)/python benchmarks/library.py
	-$(BIN)/python benchmarks/long_clip.py

# The browser tests drive Debian's Chromium; without it they are skipped and say so.
browser:
	@command -v chromium >/dev/null || { \
	    if [ "$$(id -u)" = 0 ]; then run=; else run='sudo -n'; fi; \
	    command -v apt-get >/dev/null && $$run true 2>/dev/null \
	        && { $$run apt-get install -y -q chromium || { $$run apt-get update -q && $$run apt-get install -y -q chromium; }; } >/dev/null 2>&1; \
	    command -v chromium >/dev/null || echo 'chromium is not here and could not be installed: the browser tests will be SKIPPED. Install it (Debian: apt-get install chromium).'; }

# Trains the checkpoint of the demo preset anew: make demo-checkpoint CLIPS=folder-of-footage
demo-checkpoint: setup
	$(BIN)/python checkpoints/train_demo.py $(CLIPS) $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache out build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
