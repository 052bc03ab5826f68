# Everything lands in .venv and .cache of this checkout, or in the ordinary caches of pip and Go.
SHELL := /bin/bash
PYTHON ?= python3.11
MESH_PROVIDER ?= ossm3
JOBS ?= 4
VENV := .venv
BIN := $(VENV)/bin
COLLECTION := .cache/collections/ansible_collections/meshops/mesh
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/tests

.PHONY: help ready demo demo-ca demo-upgrade demo-traffic test test-long stories first-day matrix unit lint bench docs lock cluster-up cluster-down build clean molecule version release
help:                  ## what can be made
	@sed -n 's/^\([a-z][a-z -]*\):[^#=]*## *\(.*\)/\1\t\2/p' Makefile | while IFS=$$'\t' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

$(VENV)/.done: requirements-dev.txt
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not on PATH: install Python 3.11 or say PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(COLLECTION):
	@mkdir -p $(dir $@) && ln -sfn ../../../.. $@

ready: $(VENV)/.done | $(COLLECTION)  ## the virtual environment, with all that the other targets need

demo: ready            ## from nothing to a checked production mesh; a second run changes nothing
	@$(BIN)/python tests/tools/demo.py --provider $(MESH_PROVIDER)

demo-ca: demo          ## the mesh of the demo leaves istiod's own CA for a corporate one, proved by a real Envoy behind each pod
	@$(BIN)/python tests/tools/demo.py --provider $(MESH_PROVIDER) --playbook meshops.mesh.travel_corporate_ca --envoys \
	  -- -e '{"mesh_certificates_rotation": {"renew": "restart"}, "mesh_certificates_store": "$(CURDIR)/.cache/demo-certificates"}'

demo-upgrade: ready    ## two patch versions and a minor one up while a client calls; one wave, back, all the way. MESH_STRATEGY=InPlace
	@$(BIN)/python tests/tools/demo_upgrade.py --provider $(MESH_PROVIDER) $(if $(MESH_STRATEGY),--strategy $(MESH_STRATEGY))

demo-traffic: ready    ## guestbook under a real istiod: each step and a canary measured under a client that calls; a bad version goes back
	@$(BIN)/python -m testbed build --with istio
	@$(BIN)/python tests/tools/demo_traffic.py

cluster-up: ready      ## the demo's embedded cluster with its operators, and nothing installed
	@$(BIN)/python -m testbed up --name demo-$(MESH_PROVIDER) --operators olm,sail,maistra,openshift,observability,envoys

cluster-down: ready    ## stops the clusters of the demos
	@$(BIN)/python -m testbed down --name demo-ossm3
	@$(BIN)/python -m testbed down --name demo-ossm2
	@$(BIN)/python -m testbed down --name demo-upgrade
	@$(BIN)/python -m testbed down --name demo-traffic

test test-long stories unit first-day: export PYTHONPATH := $(CURDIR)/tests:$(CURDIR)/tests/quick
# Each worker and each bed would compile all that it imports, where a shell says that nothing is to be kept.
unexport PYTHONDONTWRITEBYTECODE

test: ready            ## the suite; the first run builds the test bed's Kubernetes and Istio
	@$(BIN)/python -m testbed build > /dev/null
	@$(BIN)/python -m testbed build --with istio > /dev/null || echo "Without Istio's programs: the tests that need them are skipped"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-long: export MESH_TEST_LONG := 1
test-long: test        ## with the stories of minutes; MESH_TEST_PROVIDERS=ossm3,ossm2 plays them for both generations

stories: export MESH_TEST_STORIES := 1
stories: ready         ## the stories of a minute: rights of accounts, operators, rotation, a canary on real sidecars
	@$(BIN)/python -m testbed build > /dev/null
	@$(BIN)/python -m testbed build --with istio > /dev/null || echo "Without Istio's programs: the tests that need them are skipped"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m story tests/integration

unit: ready            ## the unit tests alone
	@$(BIN)/python -m pytest -q -n $(JOBS) tests/unit

matrix: ready          ## every ansible-core that is promised plays install, check, certificates, upgrade, remove. ONLY=2.16,newest
	@$(BIN)/python -m testbed build > /dev/null
	@$(BIN)/python tests/tools/matrix.py $(if $(ONLY),--only $(ONLY))

first-day: export MESH_TEST_LONG := 1
first-day: ready       ## a person's first days with the installed archive, by the README's commands, on both generations
	@$(BIN)/python -m testbed build > /dev/null
	@$(BIN)/python -m pytest -q -n 1 --dist loadfile -k archive tests/integration/test_first_day.py

lint: ready            ## every gate but the tests, as CI runs them
	@bash tests/tools/lint.sh

docs: ready            ## writes what is generated: tables of roles, pages of checks, rights and variables
	@$(BIN)/python tests/tools/role_readme.py
	@$(BIN)/python tests/tools/make_docs.py

bench: ready           ## measures what docs/performance.md promises
	@$(BIN)/python bench/run.py

molecule: ready        ## the molecule scenario on an embedded cluster
	@cd extensions && molecule test -s default

build: ready           ## the archive, in .cache/dist
	@mkdir -p .cache/dist && ansible-galaxy collection build --force --output-path .cache/dist .

version: ready         ## VERSION=1.2.0: writes the version wherever it stands, and the changelog from its fragments
	@test -n "$(VERSION)" || { echo "say which: make version VERSION=1.2.0"; exit 1; }
	@$(BIN)/python tests/tools/release.py version $(VERSION)

release: ready         ## checks a release of the version in galaxy.yml, builds its archive and says what is in it; publishes nothing
	@$(BIN)/python tests/tools/release.py check
	@$(MAKE) --no-print-directory lint
	@rm -rf .cache/dist
	@$(MAKE) --no-print-directory build > /dev/null
	@$(BIN)/python tests/tools/release.py contents .cache/dist/meshops-mesh-*.tar.gz
	@echo "Before it is published: make test-long and make matrix. Then tag the commit, and ansible-galaxy collection publish the archive."

lock: ready            ## the newest versions of what developers use, into requirements-dev.txt
	@$(BIN)/python -m pip install --quiet -U -r requirements-dev.in && $(BIN)/python -m pip freeze > requirements-dev.txt
	@$(BIN)/python tests/tools/lock_image.py

clean: cluster-down    ## takes beds, archives and reports away
	@rm -rf .cache/beds .cache/dist .cache/lint
