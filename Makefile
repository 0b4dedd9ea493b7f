# make figures                  the default study: every figure and the report, in results/digits
# make test                     linters and tests, without those of SLURM
# make benchmark                the engine and its peers, into results/benchmark; 15 minutes. For JAX, first:
#                               .venv/bin/uv pip install --python .venv -e '.[benchmark]'
# make figures-from-published   the figures of docs/mnist from its tables, into results/published
# make reliability              faults injected into the real workflow, into docs/reliability.md; 20 minutes
# make test-slurm               studies on a SLURM cluster on this machine (Debian, root)
# make gpu                      with a GPU: its tests, and the benchmark into docs/benchmarks/gpu.md; an hour
# make format, make lock        format the code; update requirements.lock
# The first of them creates .venv.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := figures
.PHONY: figures figures-from-published test test-slurm benchmark reliability gpu lint format lock clean

figures: $(READY)
	snakemake --cores all

PUBLISHED ?= docs/mnist
figures-from-published: $(READY)
	python -m noisescale redraw --published $(PUBLISHED) --output results/published

test: lint
	python -m pytest -n 2 --dist loadfile -m "not slurm"

test-slurm: $(READY)
	python -m pytest -m slurm

benchmark: $(READY)
	python -m benchmarks

reliability: $(READY)
	PYTHONPATH=tests python -m faults --markdown docs/reliability.md

gpu: $(READY)
	python -m pytest -m gpu
	python -m benchmarks --device cuda --markdown docs/benchmarks/gpu.md

lint: $(READY)
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow
	snakemake --lint
	mypy
	lint-imports

format: $(READY)
	ruff check --fix
	ruff format
	snakefmt Snakefile workflow

# uv installs torch's several gigabytes in a fraction of pip's time.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "noisescale: $(PYTHON) is older than Python 3.11; call make PYTHON=/path/to/a/newer/python3" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	uv pip install --quiet --python $(VENV)/bin/python --requirements requirements.lock
	uv pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	touch $(READY)

# Pins for every platform and every Python since 3.11; run after a change of the dependencies.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra slurm --no-annotate \
		--custom-compile-command "make lock" --upgrade --output-file requirements.lock pyproject.toml

# Keeps results, and .snakemake with Snakemake's records of how they were made.
clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
