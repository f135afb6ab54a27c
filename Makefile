.PHONY: build check test kernel fuzz bench micro profile vuln demo packages test-vm clean

TOOL    := go tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.release=$(VERSION)

build: ## the static binary, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/auditshipper

check: ## what a contributor runs before a commit: no network, no root
	@test -z "$$($(TOOL) gofumpt -l .)" || { $(TOOL) gofumpt -d .; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go test -race -shuffle=on ./...

test: ## everything, as CI does; as root
	scripts/test

kernel: ## tests that change the audit state; as root, in a throw-away machine
	AUDITSHIPPER_KERNEL=1 go test -count=1 -run '^TestKernel' -timeout 30m ./...

demo: ## the whole way on this machine; as root
	go run ./cmd/auditshipper demo

fuzz: ## every fuzz target in turn, 30 seconds each
	@go list ./... | while read p; do \
	  go test -list '^Fuzz' $$p | grep ^Fuzz | while read f; do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} $$p || exit 1; done; done

bench: ## against other readers of audit events, see bench/README.md; as root, a quarter of an hour
	$(MAKE) -C bench

micro: ## micro-benchmarks with allocations
	go test -run '^$$' -bench . -benchmem ./...

profile: ## of the daemon at 10,000 events a second, into profile/; as root
	mkdir -p profile
	go run ./bench -rounds 1 -trials steady -steady 20s -only auditshipper -profile $(CURDIR)/profile
	go tool pprof -top -cum profile/cpu.pprof | head -60

vuln: ## needs the network
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...

packages: ## deb and rpm for amd64 and arm64, into dist/
	scripts/packages

test-vm: ## the service as people install it, in a throw-away VM
	scripts/test-vm

clean:
	rm -rf bin dist profile
