# Two commands do everything from nothing: `make run` and `make test`. `make help` lists them all.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HELPERS := $(wildcard helpers/*.py helpers/*/*.py groove_report/*.py)
EXECUTED := $(patsubst %,runs/%,$(sort $(wildcard notebooks/*.ipynb)))
# The folder's name goes to the programs as it is, whatever characters it has: neither make nor a shell reads
# it. A relative one counts from where the command was typed, which `make -C` tells nobody but make.
override CORROSEG_DATA := $(value CORROSEG_DATA)
CORROSEG_FROM := $(value PWD)
export CORROSEG_DATA CORROSEG_FROM

.PHONY: help run outputs test lint lock sync docs hooks address clean always
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

run: $(EXECUTED) ## execute the notebooks; copies with outputs go to runs/notebooks
	@$(BIN)/python -c 'import pandas; print(pandas.read_csv("runs/scores.csv", index_col=[0, 1]).to_string())'
	@echo "1 is perfect, 0 finds nothing. The hardest of training and validation wells is 3: faint grooves"
	@echo "under a strong pattern. Well 9 has no groove. So the validation wells tell of one hard well, the test wells of four others."
	@echo "Pictures: the executed notebooks in runs/notebooks/; this table is of notebook 09"
	@echo "Runs:     runs/, a folder each with models and curves: $(BIN)/tensorboard --logdir runs"
	@echo "Report:   runs/groove_report/, the grooves of a well, from notebook 08"

# A notebook is executed again only when it, a helper, the environment or the data have changed.
runs/notebooks/%.ipynb: notebooks/%.ipynb $(HELPERS) $(VENV)/installed runs/.data
	@mkdir -p runs/notebooks
	@echo "== $<"
	@TQDM_DISABLE=1 $(BIN)/jupyter execute --output ../runs/notebooks/unfinished "$<"
	@mv runs/notebooks/unfinished.ipynb "$@"

runs/.data: $(VENV)/installed always
	@$(BIN)/python -m helpers.data > $@.new && cat $@.new && ls -l data/raw >> $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

outputs: $(VENV)/installed ## renew the outputs of the committed notebooks, on the simulated wells
	$(BIN)/jupytext --quiet --sync notebooks/*.ipynb
	CORROSEG_DATA=simulated TQDM_DISABLE=1 $(BIN)/jupyter execute --inplace \
		--NotebookClient.record_timing=False notebooks/*.ipynb
	$(BIN)/jupytext --quiet --sync notebooks/*.ipynb

test: $(VENV)/installed lint ## run all tests and compare the notebooks' outputs (simulated wells)
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbval --numprocesses logical --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed ## check style and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lock: ## write constraints.txt: what requirements.txt brings with it today, in versions that go together
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	grep -v '^--constraint' requirements.txt > $(VENV)-lock/requirements.txt
	$(VENV)-lock/bin/pip install --quiet --requirement $(VENV)-lock/requirements.txt
	{ echo '# Made by `make lock`.'; $(VENV)-lock/bin/pip freeze | sed 's/+[a-z0-9.]*$$//'; } > constraints.txt
	rm -rf $(VENV)-lock

sync: $(VENV)/installed ## make notebooks and paired scripts equal, the newer one winning
	$(BIN)/jupytext --sync notebooks/*.ipynb

docs: $(VENV)/installed-docs ## build the site of notebooks and documents in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open site/index.html"

hooks: $(VENV)/installed ## check each commit before it is made
	$(BIN)/pre-commit install

BRANCH := main
address: ## write the published address everywhere: make address OWNER=<account> [BRANCH=main]
	@test -n "$(OWNER)" || { echo "Say whose: make address OWNER=<account>"; exit 1; }
	@git grep -lE 'github(\.com)?/[A-Za-z0-9_.-]+/corrosion-segmentation' -- ':!Makefile' | xargs sed -i -E \
		-e 's#(github(\.com)?)/[A-Za-z0-9_.-]+/corrosion-segmentation#\1/$(OWNER)/corrosion-segmentation#g' \
		-e 's#(colab\.research\.google\.com/github/[^/]+/[^/]+/blob)/[^/ )"]+/notebooks#\1/$(BRANCH)/notebooks#g'

clean: ## remove the environment and everything made by running
	rm -rf $(VENV) site data/simulated data/interim/*.csv runs/*

$(VENV)/installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/installed-docs: requirements-docs.txt $(VENV)/installed
	$(BIN)/pip install --quiet --requirement requirements.txt --requirement requirements-docs.txt
	@touch $@
