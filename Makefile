# The list of commands. `make` alone prints it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# uv brings its own certificates; use the machine's, as pip does.
export UV_SYSTEM_CERTS ?= 1
# Workers write no bytecode, so without it every start would compile the libraries anew.
export UV_COMPILE_BYTECODE ?= 1
UV := .venv/bin/uv
RUN := .venv/bin/python
TEST_ENVS := .envs/mlflow-3/.ready .envs/mlflow-2/.ready .envs/pandas-1/.ready .envs/azure/.ready
PYTHON_ENVS := $(foreach version,3.8 3.9 3.10 3.11 3.12 3.13,.envs/python-$(version)/.ready)
BENCH_ENVS := .envs/mlflow-3/.ready .envs/bench-mlserver/.ready .envs/bench-litserve/.ready
# What the old libraries of these environments warn of among themselves is not ours to mend.
OLD_WARNINGS := -W ignore::DeprecationWarning -W ignore::UserWarning -W ignore::FutureWarning

.PHONY: help setup demo format check test matrix soak fuzz bench bench-files bench-environments bench-endpoints bench-against lock clean

help:  ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

setup: .venv/.ready  ## the development environment in .venv
	@echo "ready: .venv/bin/modelport --help"

demo: .venv/.ready .envs/mlflow-3/.ready  ## train and save a model with the real mlflow, serve it, ask it (ARGS=--once: and stop)
	$(RUN) -m demo.run $(ARGS)

format: .venv/.ready  ## write the code as ruff wants it
	.venv/bin/ruff format -q .
	.venv/bin/ruff check -q --fix .

check: .venv/.ready  ## style, types, floors
	.venv/bin/ruff format --check -q .
	.venv/bin/ruff check -q .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(RUN) -m tests.docs.compatibility --check

test: check $(TEST_ENVS) $(PYTHON_ENVS)  ## everything a change must pass
	$(RUN) -m pytest -q -n 2 --dist loadfile $(ARGS)
	PYTHONPATH=$(CURDIR)/runtime/src:$(CURDIR) .envs/mlflow-2/bin/python -m pytest -q $(OLD_WARNINGS) tests/runtime
	PYTHONPATH=$(CURDIR)/runtime/src:$(CURDIR) .envs/pandas-1/bin/python -m pytest -q $(OLD_WARNINGS) tests/runtime

matrix: .venv/.ready $(TEST_ENVS)  ## twenty models of all Pythons and layouts, each in the environment built for it; a package in a bare Debian
	MODELPORT_TEST_MATRIX=1 $(RUN) -m pytest -q tests/matrix/test_matrix.py $(ARGS)
	$(RUN) -m tests.matrix.page
	MODELPORT_TEST_MATRIX=1 $(RUN) -m pytest -q tests/matrix/test_package_elsewhere.py

soak: .venv/.ready $(TEST_ENVS)  ## twenty minutes of load, kills, reloads and bad input, into benchmarks/RESULTS.md
	$(RUN) -m benchmarks.soak $(ARGS)
	MODELPORT_TEST_CHAOS_SECONDS=600 $(RUN) -m pytest -q tests/end_to_end/test_chaos.py
	MODELPORT_TEST_KILLING_SECONDS=90 $(RUN) -m pytest -q tests/end_to_end/test_resilience.py -k "killed_workers"

fuzz: .venv/.ready $(TEST_ENVS)  ## the long form of the fuzzing test: 200,000 bent requests for each dialect (FUZZ_SEED=number)
	MODELPORT_FUZZ_BODIES=200000 MODELPORT_FUZZ_SEED=$(or $(FUZZ_SEED),2) $(RUN) -m pytest -q -s tests/fuzz $(ARGS)

bench: .venv/.ready $(BENCH_ENVS)  ## measure beside the peers and write benchmarks/RESULTS.md (needs wrk)
	$(RUN) -m benchmarks.run $(ARGS)

bench-files: .venv/.ready .envs/mlflow-3/.ready  ## measure `modelport predict` beside the raw loop and `mlflow models predict`
	$(RUN) -m benchmarks.files $(ARGS)

bench-environments: .venv/.ready .envs/mlflow-3/.ready  ## measure building environments beside uv itself and `mlflow models prepare-env`
	$(RUN) -m benchmarks.environments $(ARGS)

bench-endpoints: .venv/.ready .envs/mlflow-3/.ready  ## measure an endpoint of `modelport up` beside `modelport serve` (needs wrk)
	$(RUN) -m benchmarks.endpoints $(ARGS)

bench-against: .venv/.ready .envs/mlflow-3/.ready  ## measure beside an earlier commit: make bench-against COMMIT=main~1
	$(RUN) -m benchmarks.against $(COMMIT) $(ARGS)

lock: .venv/.ready  ## compile requirements/*.in to hashed requirements
	for name in $$(ls requirements/*.in | xargs -n1 basename -s .in); do \
	  case $$name in python-*) target="--python-version $${name#python-}";; *) target="--universal --python-version 3.11";; esac; \
	  $(UV) pip compile -q $$target --generate-hashes --no-header \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:  ## remove what was made here: environments, caches
	rm -rf .venv .envs .cache .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml runtime/pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(UV) pip sync -q --python .venv/bin/python --require-hashes requirements/dev.txt
	$(UV) pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e runtime -e .
	touch $@

.envs/%/.ready: requirements/%.txt | .venv/.ready
	$(UV) venv -q --clear --python $(PYTHON) .envs/$*
	$(UV) pip sync -q --python .envs/$*/bin/python --require-hashes $<
	touch $@

# The environments of other Pythons; one that this machine lacks is left out, and its tests are skipped.
.envs/python-%/.ready: requirements/python-%.txt | .venv/.ready
	python=$$($(RUN) -m tests.support.interpreters $*) || exit 1; test -n "$$python" || exit 0; \
	  $(UV) venv -q --clear --python $$python .envs/python-$* && \
	  $(UV) pip sync -q --python .envs/python-$*/bin/python --require-hashes $< && touch $@
