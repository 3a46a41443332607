# `make help` lists what there is. Everything runs in .venv, which `make setup` makes.

# the first of these that runs and is 3.11 or 3.12; or say: make PYTHON=/path/to/python
FITS := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' 2> /dev/null && echo $$p && break; done)
ENV := .venv
RUN := PATH="$(CURDIR)/$(ENV)/bin:$$PATH" $(ENV)/bin/python -I -m whitepatch.programs # with a SHELL of ours
# where pip puts things, too; which index it asks stays the caller's
PIP := PIP_USER=0 PIP_TARGET= PIP_PREFIX= PIP_ROOT= $(ENV)/bin/python -I -m pip
.DEFAULT_GOAL := help
.PHONY: help setup demo photos article corrected push pull verify test check torture damage coverage mutation bench \
	lint format types ui lock audit rebuild clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into .venv (about 6 GB: the CUDA build of torch)
	@$(FINE) || $(MAKE) --no-print-directory alone

demo: ## rebuild the small experiment offline, from pictures to report and MLflow
photos: ## train and report all twelve networks with ten seeds (hours on 2 cores)
article: ## rebuild the article's own experiment on STL-10 (a download; 41 hours on 2 cores)
corrected: ## rebuild what the article should have measured (the same download; 61 hours)
demo photos article corrected: setup
	@$(RUN) whitepatch train $(BESIDE) $@ $(SWEEPS)
	@$(RUN) dvc repro publish@$@ $(SWEEPS:%=sweep@%)
	@$(RUN) dvc repro compare
	@echo
	@echo "Report:  reports/$@/report.html, beside the others in reports/index.html"
	@echo "MLflow:  make ui"
	@git diff --quiet -- dvc.lock data reports 2> /dev/null; [ $$? -ne 1 ] || echo "$(OTHERS)"

demo: SWEEPS := demo-size
# where a GPU trains, cores are free to evaluate
BESIDE := $(if $(wildcard /dev/nvidiactl),--evaluate)
OTHERS := These results are not those in Git: the code or params.yaml changed, or another processor or a GPU rounds \
	otherwise. Compare the numbers: whitepatch verify; take the files of Git back: git checkout dvc.lock data reports

# what dvc.lock says has run, and whether there is a place to share it
REPORTED = $(shell sed -n 's/^  \(report@[^:]*\):$$/\1/p' dvc.lock)
REMOTE = $(RUN) dvc remote default > /dev/null || \
	{ echo "DVC knows no remote yet: docs/teammates.md says how to name one"; exit 2; }

push: setup ## hand your results to teammates, through the DVC remote
	@$(REMOTE)
	@$(RUN) dvc push

pull: setup ## take over what teammates have pushed; trains nothing
	@$(REMOTE)
	@$(RUN) dvc pull --allow-missing
	@$(RUN) dvc repro --dry --allow-missing $(REPORTED)
	@$(RUN) whitepatch publish

ui: setup ## publish all results and open MLflow on 127.0.0.1
	@$(RUN) whitepatch ui

test: setup lint types ## check style, types and code (minutes)
	@$(RUN) python -m pytest --numprocesses 2 --dist loadfile

check: test ## the same, and the pipeline run for real: in miniature, STL-10 on a stand-in, servers, remotes
	@$(RUN) python -m pytest -m pipeline --numprocesses 2 --dist loadfile

ray: setup ## install Ray beside the rest, for whitepatch train --ray; and see it train as it must
	@$(RUN) uv pip install --quiet --python $(ENV)/bin/python --require-hashes -r requirements-ray.txt
	@$(RUN) python -m pytest -m ray

verify: setup ## read every byte again: are the results the recorded ones? removes what is damaged in DVC's cache
	@site=$$(mktemp -d) && trap 'rm -rf "$$site"' EXIT && export DVC_SITE_CACHE_DIR="$$site" && bad=0; \
	rm -rf .dvc/tmp/hashes; $(RUN) dvc-data fsck || bad=1; \
	$(RUN) dvc repro --dry --allow-missing $(REPORTED) | grep -q 'are up to date' || \
		{ bad=1; $(RUN) dvc status --with-deps $(REPORTED); }; \
	[ $$bad = 0 ] || { echo 'To mend it: DVC_SITE_CACHE_DIR=$$(mktemp -d) dvc repro report@...'; exit 1; }; \
	echo 'All that is here is as dvc.lock has it.'

torture: setup ## kill the pipeline in miniature 50 times at random, and see it mend (12 minutes)
	@$(RUN) python tests/torture.py

damage: setup ## damage one file of it after another, and see each noticed and mended (half an hour)
	@$(RUN) python tests/damage.py

coverage: setup ## measure which branches of the package the tests take (an hour)
	@rm -f .coverage .coverage.*
	@$(RUN) coverage run -m pytest -m "not ray" --numprocesses 2 --dist loadfile
	@$(RUN) coverage combine --quiet
	@$(RUN) coverage report
	@$(RUN) coverage json --quiet
	@$(RUN) python tests/branches.py

mutation: setup ## change the code that decides numbers, a bit at a time, and see tests fail (5 minutes)
	@rm -rf mutants
	@$(RUN) mutmut run
	@$(RUN) python tests/mutation.py

bench: setup ## measure our speed on the CPU beside the article's own formulation; writes reports/bench/
	@$(RUN) python bench/speed.py

lint: setup ## check style, and docstrings against code
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports --no-cache --no-logo

format: setup ## mend style
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

types: setup ## check types
	@$(RUN) mypy

rebuild: setup ## train demo again from nothing, caches set aside
	@cells=$$(mktemp -d) && trap 'rm -rf "$$cells"' EXIT && \
	WHITEPATCH_CELLS="$$cells" $(RUN) dvc repro --force report@demo

lock: setup ## compile the short list of pyproject.toml into requirements.txt, the newest that fits
	@$(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --group dev pyproject.toml --output-file requirements.txt
	@$(RUN) uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --constraint requirements.txt --group pyproject.toml:ray \
		--output-file requirements-ray.txt

audit: setup ## ask PyPI for known faults of the pinned packages; sends their names and versions
	@$(RUN) pip-audit --requirement requirements.txt --require-hashes --disable-pip --strict

clean: ## remove the environment and all scratch, kept trainings too; results and DVC's cache stay
	@rm -f "$${XDG_CACHE_HOME:-$$HOME/.cache}"/whitepatch/cells/*.* # a folder that WHITEPATCH_CELLS names is others', too
	@rm -rf $(ENV) mutants .coverage* coverage.json .mypy_cache .pytest_cache .ruff_cache .hypothesis

# What is asked of it: that it was made of the same pins, here (not in the folder that this is a copy of),
# and by the Python that is named, if one is. Who finds it otherwise makes it anew, one at a time.
PINS = cat requirements.txt pyproject.toml
OURS := import importlib.util as util, os, sys; \
	sys.exit(not (sys.argv[1] in ("", sys.version) and \
	os.path.samefile(util.find_spec("whitepatch").origin, "src/whitepatch/__init__.py")))
NAMED = $(if $(filter file,$(origin PYTHON)),,$$("$(PYTHON)" -c 'import sys; print(sys.version)' || echo none))
FINE = { $(PINS) | cmp -s - $(ENV)/ready && $(ENV)/bin/python -I -c '$(OURS)' "$(NAMED)"; } 2> /dev/null
define ALONE
import contextlib, fcntl, subprocess, sys
with open("requirements.txt") as pins:
    with contextlib.suppress(OSError): # a disk that knows no locks
        fcntl.flock(pins, fcntl.LOCK_EX)
    fine, anew = ([*sys.argv[1:], target] for target in ("fine", "anew"))
    sys.exit(subprocess.call(fine, stderr=subprocess.DEVNULL) and subprocess.call(anew))
endef
export ALONE

.PHONY: alone fine anew
alone:
	@"$(PYTHON)" -c '$(FITS)' 2> /dev/null || \
		{ echo "Python 3.11 or 3.12 is needed; say which: make PYTHON=/path/to/python3.11"; exit 2; }
	@"$(PYTHON)" -c "$$ALONE" "$(MAKE)" --no-print-directory

fine:
	@$(FINE)

# uv itself comes first, at the version and hash that requirements.txt pins; then all the rest.
anew:
	@[ ! -h $(ENV) ] || rm $(ENV)
	@"$(PYTHON)" -m venv --clear $(ENV)
	@awk '/^[^ ]/ {keep = /^uv==/} keep' requirements.txt > $(ENV)/uv.txt
	@echo "Installing into $(ENV): a few minutes and about 6 GB"
	@$(PIP) install --quiet --disable-pip-version-check --require-hashes -r $(ENV)/uv.txt
	@$(ENV)/bin/uv pip install --quiet --python $(ENV)/bin/python --require-hashes -r requirements.txt || \
		$(PIP) install --quiet --require-hashes -r requirements.txt
	@$(ENV)/bin/uv pip install --quiet --python $(ENV)/bin/python --no-deps --no-build-isolation --editable .
	@$(PINS) > $(ENV)/ready
