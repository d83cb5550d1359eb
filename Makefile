# `make demo` and `make test` need nothing but make and Python 3.11 or newer.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: install
install: $(DONE) ## Make the virtual environment and install Cuvee into it

# torch first and at its pinned version, so that no other package asks for a newer one.
$(DONE): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

.PHONY: demo
demo: $(DONE) ## Search the bundled parents for a child that beats them all
	$(BIN)/cuvee demo $(DEMO_OPTIONS)

.PHONY: test
test: $(DONE) ## Run the tests
	$(BIN)/pytest $(TEST_OPTIONS)

.PHONY: check
check: $(DONE) ## Lint, formatting, types and the rooms' import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(DONE) ## Format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: faults
faults: $(DONE) ## Run every fault test, the long ones too
	$(BIN)/pytest tests/faults --long $(TEST_OPTIONS)

.PHONY: bench-merging
bench-merging: $(DONE) ## Merging speed beside mergekit and the memory bus
	$(BIN)/python -m benchmarks.merging $(BENCH_OPTIONS)

.PHONY: bench-interop
bench-interop: $(DONE) ## The same recipes, run by mergekit and by Cuvee
	$(BIN)/python -m benchmarks.interop $(BENCH_OPTIONS)

.PHONY: bench-scoring
bench-scoring: $(DONE) ## Scoring speed beside lm-eval's backend and plain generate
	$(BIN)/python -m benchmarks.scoring $(BENCH_OPTIONS)

.PHONY: bench-racing
bench-racing: $(DONE) ## Racing beside full scoring: holdout accuracy and tokens
	$(BIN)/python -m benchmarks.racing $(BENCH_OPTIONS)

.PHONY: bench-search
bench-search: $(DONE) ## Time and tokens to a good child, beside mergekit-evolve's search
	$(BIN)/python -m benchmarks.search $(BENCH_OPTIONS)

.PHONY: bench-irt
bench-irt: $(DONE) ## Anchors beside full scoring: errors of estimates, holdout accuracy, tokens
	$(BIN)/python -m benchmarks.irt $(BENCH_OPTIONS)

.PHONY: bench-spaces
bench-spaces: $(DONE) ## Weights, paths, and paths through the best weights, on the bundled parents
	$(BIN)/python -m benchmarks.spaces $(BENCH_OPTIONS)

.PHONY: bench-samplers
bench-samplers: $(DONE) ## All samplers on functions that resemble merging, and what a draw costs
	$(BIN)/python -m benchmarks.samplers $(BENCH_OPTIONS)
	$(BIN)/python -m benchmarks.sampler_cost

.PHONY: methods-page
methods-page: $(DONE) ## Search with every method and write docs/methods.md
	$(BIN)/python -m benchmarks.methods

.PHONY: reference
reference: $(DONE) ## Write the reference pages of docs/ from the code
	$(BIN)/python -m service.reference docs

URL ?= http://127.0.0.1:8642
.PHONY: screenshots
screenshots: $(DONE) ## Take the docs' pictures of a service with a running job and two finished ones
	$(BIN)/python -m tests.browser.screenshots $(URL) docs/screenshots

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
