# Works with GNU make and with BSD make.
GO ?= go
LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

all: build

# The program, as bin/xjail.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/xjail ./cmd/xjail

# The main job, on this machine, in the directory .try: no root needed.
try:
	GO="$(GO)" sh e2e/try.sh

# What the tests need is installed first, when this is root on Debian.
test:
	GO="$(GO)" sh e2e/test.sh

# The tests that need neither root nor an emulator.
unit:
	$(GO) test ./...

# Each fuzz target for a while: make fuzz FUZZTIME=10m
FUZZTIME ?= 20s
fuzz:
	sh .ci/fuzz $(FUZZTIME)

# The linter is built for this system, and then looks at what each one compiles.
lint:
	GOBIN=$$PWD/bin $(GO) install $(LINT)
	bin/golangci-lint run ./...
	for arch in amd64 arm64 riscv64; do \
		GOOS=freebsd GOARCH=$$arch CGO_ENABLED=0 bin/golangci-lint run ./... || exit 1; \
	done

# docs/man, from the commands themselves.
man:
	$(GO) test ./internal/cli -run TestManPages -update

clean:
	rm -rf bin .try

.PHONY: all build try test unit fuzz lint man clean
