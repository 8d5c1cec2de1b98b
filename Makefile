# Duet: `make help` lists the targets. Nothing here needs more than Go, make and git, except the targets that say so.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
DUET := $(BIN)/duet
PROGRAMS := duet=./bench/cmd/duet duet-apiserver=./aggregated-impl/cmd/apiserver \
	crd-webhook=./crd-impl/cmd/crd-webhook duet-controller=./shared/cmd/controller
# Tools are built from modules of their own, so that what they depend on cannot move what Duet is built from.
TOOLS := $(shell go env GOCACHE)/duet-tools
LINT := $(TOOLS)/golangci-lint
IMPL ?= crd
PROFILE ?=

##@ The two commands

.PHONY: compare
compare: build ## Start a control plane per form, compare them, write a report to out/
	$(DUET) compare

.PHONY: test
test: ## Run every test: unit, control plane, forms, controller, e2e
	shared/hack/test.sh

##@ Use

.PHONY: build
build: ## Build duet and the programs it runs into bin/
	@mkdir -p $(BIN)
	@for p in $(PROGRAMS); do echo "building bin/$${p%%=*}"; go build -trimpath -o $(BIN)/$${p%%=*} $${p#*=}; done

.PHONY: matrix
matrix: build ## Look at every behaviour on both forms, and write a report to out/
	$(DUET) matrix

.PHONY: comparison
comparison: build ## Write docs/comparison.md from a run of every behaviour row
	$(DUET) matrix -o comparison > docs/comparison.md.new
	mv docs/comparison.md.new docs/comparison.md

# What the page of benchmark results is about: the forms, each twice, what they consist of, and their limits.
BENCH_ARMS ?= crd,aggregated,crd-again,aggregated-again,crd-schema-only,crd-hop,crd-cel-0,aggregated-direct,aggregated-protobuf,aggregated-own-etcd,sample-apiserver,sample-apiserver-witness,configmap,configmap-witness,ingress,etcd,echo,echo-proxied
BENCH_PROFILE ?= standard

.PHONY: benchmarks
benchmarks: build ## Write docs/benchmarks-standard.md from a standard run; nothing else should run meanwhile
	$(DUET) bench --profile $(BENCH_PROFILE) --arm $(BENCH_ARMS) -o markdown > docs/benchmarks-standard.md.new
	{ echo '<!-- Written by "make benchmarks" from a run. How to read it: benchmarks.md. -->'; \
		cat docs/benchmarks-standard.md.new; } > docs/benchmarks-standard.md
	rm docs/benchmarks-standard.md.new

.PHONY: up
up: build ## Start a control plane on this machine
	$(DUET) up

.PHONY: install
install: build ## Install a form: make install IMPL=crd|aggregated [PROFILE=...]
	$(DUET) install --impl $(IMPL) $(if $(PROFILE),--profile $(PROFILE))

.PHONY: uninstall
uninstall: build ## Take the installed form away; stored objects stay
	$(DUET) uninstall

.PHONY: down
down: build ## Stop the control plane and everything with it
	$(DUET) down

##@ Develop

.PHONY: generate
generate: ## Regenerate code, clients, OpenAPI and the CustomResourceDefinition
	shared/hack/generate.sh

.PHONY: verify
verify: ## Check generated code, formatting, go.mod, vet, lint and import rules
	shared/hack/verify.sh

.PHONY: lint
lint: $(LINT) ## Run the linters, which hold the import rules too
	$(LINT) run

.PHONY: test-unit
test-unit: ## Run the tests that need no control plane
	shared/hack/test.sh unit

.PHONY: test-race
test-race: ## Run every test under the race detector
	shared/hack/test.sh race

.PHONY: test-mysql
test-mysql: ## Run the tests on real servers: needs mysqld or mariadbd on PATH
	shared/hack/test.sh mysql

# All of it takes hours. A part is chosen by its labels: shared, dedicated, api, faults, and the victims of the faults.
PART ?=

.PHONY: test-switch
test-switch: ## Switch a live API under full load, with strategies and faults: PART=shared|dedicated|api|faults|...
	shared/hack/test.sh switch '$(PART)'

.PHONY: clean
clean: ## Remove bin/ and out/ (cached control plane binaries stay)
	rm -rf $(BIN) out

$(LINT): shared/hack/lint/go.mod shared/hack/lint/go.sum
	@echo "building golangci-lint (once)"
	@mkdir -p $(TOOLS)
	go -C shared/hack/lint build -o $(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

##@ Help

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
