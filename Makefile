# 'make help' lists the targets.

export CGO_ENABLED = 0
# Only the program itself is built with cmd/tap25/default.pgo, which changes no result: for tests, each package would be compiled twice.
export GOFLAGS += -pgo=off
SUDO = sh packaging/needs/root.sh
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEPGUARD = go run github.com/OpenPeeDeeP/depguard/v2/cmd/depguard@v2.3.0

.PHONY: all help go build generate install uninstall install-run install-test install-browser install-duckdb install-parquet-engines demo test test-plain test-command test-command-live test-race race test-postgres17 check bounds live properties kills pack-kills pack-rows evidence test-ha test-parquet test-parquet-engines test-citus fuzz bench bench-peers bench-live profile bin/peers clean storage

all: build

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

go:
	@sh packaging/needs/go.sh

build: go ## bin/tap25
	go build -pgo=auto -trimpath -ldflags '-s -w' -o bin/tap25 ./cmd/tap25
	@touch bin/tap25

# What bin/tap25 is older than, if anything. Under sudo it is not built: that would leave files of root's in the build cache
# and in bin, and root may have another Go, or none.
.PHONY: current
current:
	@stale=bin/tap25; [ ! -e bin/tap25 ] || stale=$$(find go.mod go.sum bpf capture cmd reassembly store -name testdata -prune -o \
		! -name '*_test.go' -newer bin/tap25 -print -quit); \
	[ -z "$$stale" ] || [ -z "$$SUDO_UID" ] || { echo "bin/tap25 is missing or older than $$stale: run 'make build' first" >&2; exit 1; }; \
	[ -z "$$stale" ] || $(MAKE) --no-print-directory build

# Program, manual pages, completion, unit, user and settings. Settings that are there stay as they are.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
PROGRAM ?= bin/tap25
install: current ## program, manual pages, completion and unit below PREFIX (/usr/local)
	install -D $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/tap25
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 7) $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/lib/systemd/system
	bin/tap25 man --dir $(DESTDIR)$(PREFIX)/share/man
	bin/tap25 completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tap25
	bin/tap25 completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tap25
	bin/tap25 completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tap25.fish
	sed 's#/usr/bin/tap25#$(PREFIX)/bin/tap25#; s#/etc/tap25/#$(SYSCONFDIR)/tap25/#' packaging/tap25.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/tap25.service
	install -D -m 644 packaging/tap25.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/tap25.conf
	install -d $(DESTDIR)$(PREFIX)/share/tap25/prometheus $(DESTDIR)$(PREFIX)/share/tap25/grafana
	install -m 644 packaging/prometheus/* $(DESTDIR)$(PREFIX)/share/tap25/prometheus
	install -m 644 packaging/grafana/* $(DESTDIR)$(PREFIX)/share/tap25/grafana
	test -e $(DESTDIR)$(SYSCONFDIR)/tap25/tap25.yaml || install -D -m 644 packaging/tap25.yaml $(DESTDIR)$(SYSCONFDIR)/tap25/tap25.yaml

# What install has installed. The settings stay, and so does the state: records of mail, keys, and the private cluster.
uninstall: ## remove what install installed; settings and data stay
	rm -f $(DESTDIR)$(PREFIX)/bin/tap25 $(DESTDIR)$(PREFIX)/share/man/man1/tap25.1 $(DESTDIR)$(PREFIX)/share/man/man1/tap25-*.1 \
		$(DESTDIR)$(PREFIX)/share/man/man5/tap25.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man7/tap25-sql.7 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tap25 $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tap25 \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tap25.fish $(DESTDIR)$(PREFIX)/lib/systemd/system/tap25.service \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/tap25.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/tap25
	@echo 'left: the settings in $(DESTDIR)$(SYSCONFDIR)/tap25, the state directory, and a service that still runs'

# What running needs: PostgreSQL's server and psql, from the distribution.
install-run:
	@sh packaging/needs/postgresql.sh

# What the tests need besides: a C compiler for the race detector, ip for network namespaces, systemd-analyze, for the live
# tests as root tcpdump, Postfix, Exim, haproxy and Dovecot; pgbouncer; Prometheus, which checks metrics and alerts; valgrind, which counts what hostile traffic costs. The XDP program's object is committed; where clang 14 and libbpf-dev are
# installed, a test compiles it anew and compares.
install-test: install-run
	@PATH=$$PATH:/usr/sbin:/sbin; missing=; for need in gcc:gcc gcc:libc6-dev ip:iproute2 ethtool:ethtool tcpdump:tcpdump setcap:libcap2-bin valgrind:valgrind systemd-analyze:systemd; do \
		command -v $${need%:*} >/dev/null || missing="$$missing $${need#*:}"; done; \
	[ -z "$$missing" ] || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; }
	@PATH=$$PATH:/usr/sbin; command -v pgbouncer >/dev/null || $(MAKE) --no-print-directory bin/pgbouncer
	@command -v promtool >/dev/null || $(MAKE) --no-print-directory bin/prometheus
	@[ "$$(id -u)" != 0 ] || $(MAKE) --no-print-directory bin/mta bin/haproxy bin/dovecot

# A browser, which looks at the page of a tap. It is not among what install-test installs: it brings 300 MB.
install-browser: ## Chromium, for the tests of the page
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; }

# What reads exported Parquet. It is not among what install-test installs either: DuckDB and ClickHouse (as chdb) are 70 and 550 MB
# from the npm registry, pandas with pyarrow 250 MB from PyPI, for Python 3.10 or newer.
install-duckdb: bin/duckdb ## DuckDB, for the tests of exported files
install-parquet-engines: bin/clickhouse bin/pandas ## ClickHouse and pandas, for the tests of exported files
bin/duckdb: PACKAGE = @duckdb/node-api@1.5.6-r.1
bin/clickhouse: PACKAGE = chdb@3.4.0
bin/pandas: PACKAGE = pandas==2.3.3 pyarrow==25.0.0
bin/duckdb bin/clickhouse:
	@command -v npm >/dev/null || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm; }
	rm -rf $@.new
	npm install --prefix $@.new --no-audit --no-fund --ignore-scripts $(PACKAGE)
	mv $@.new $@
bin/pandas:
	@python3 -c 'import ensurepip' || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-venv; }
	rm -rf $@.new
	python3 -m venv $@.new
	$@.new/bin/python3 -m pip install -q --only-binary :all: $(PACKAGE)
	mv $@.new $@

# Packages that are only unpacked, with the libraries that they need: installed, Postfix and Exim conflict, and would take the place
# of the machine's own mail system, and the others would start a service.
bin/mta: UNPACK = postfix exim4-daemon-light
bin/haproxy: UNPACK = haproxy
bin/dovecot: UNPACK = dovecot-core dovecot-lmtpd
bin/pgbouncer: UNPACK = pgbouncer
bin/prometheus: UNPACK = prometheus
bin/mta bin/haproxy bin/dovecot bin/pgbouncer bin/prometheus:
	$(SUDO) apt-get update -q
	rm -rf $@.new && mkdir -p $@.new/debs
	cd $@.new/debs && apt-get download -q $(UNPACK)
	for deb in $@.new/debs/*.deb; do dpkg -x $$deb $@.new || exit 1; done
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$(apt-cache depends $(UNPACK) | sed -n 's/^ *Depends: \(lib[a-z0-9.-]*\)$$/\1/p' | grep -v ^libjs-)
	mv $@.new $@

demo: go install-run build ## replay a capture of real mail and answer an auditor's questions
	sh docs/demo.sh

# Tests spend much of their time waiting, so four parts run beside each other: those of the command in two halves, all others, and
# those under the race detector.
# The name of the file of skipped tests is new each time: so go test does not take a test that was skipped from its cache.
test: go install-test build check ## install what the tests need and run everything; root features when root
	+@TAP25_TEST_SKIPS=$$(mktemp); export TAP25_TEST_SKIPS; status=0; \
	$(MAKE) --no-print-directory -j4 --output-sync=target test-command test-command-live test-plain test-race || status=$$?; \
	if [ -s $$TAP25_TEST_SKIPS ]; then echo; echo 'Skipped tests, by what was missing:'; sort $$TAP25_TEST_SKIPS | uniq -c; \
	else echo; echo 'Nothing was skipped.'; fi; rm $$TAP25_TEST_SKIPS; exit $$status

# store takes longest, so it begins first.
test-plain:
	go test -timeout 20m ./store $$(go list ./... | grep -v '/cmd/tap25$$')

# Tests set the state directory in the environment of their process, so that the two halves need a process each. One half has the
# live tests and the archives of a release.
HALF = ^Test(Sniff|Live|Packaging)_
test-command:
	go test -timeout 20m -skip '$(HALF)' ./cmd/tap25

test-command-live:
	go test -timeout 20m -run '$(HALF)' ./cmd/tap25

# The tests of code that starts goroutines. In reassembly these are the workers of a replay; in store the loader, finishing a day
# and signing. The other tests of store mostly wait for a server.
test-race:
	CGO_ENABLED=1 go test -race -short -timeout 20m -run '^TestFlows_' ./reassembly
	CGO_ENABLED=1 go test -race -short -timeout 20m ./bpf ./capture/... ./store/cluster ./store/spool ./store/stream \
		./cmd/tap25/replay ./cmd/tap25/sniff
	CGO_ENABLED=1 go test -race -short -timeout 20m -run 'Load|Finish|Kept|Sign' ./store
	CGO_ENABLED=1 go test -race -short -timeout 20m -run '^TestLog_' ./cmd/tap25

race: go ## the race detector over all packages: half an hour (root)
	CGO_ENABLED=1 go test -race -short -skip '^TestCost_' -timeout 1h ./...

generate: ## compile the XDP program anew, with clang 14 (a test compares the result)
	BPF2GO_CC=$(or $(shell command -v clang-14),clang) go generate ./bpf

# The tests that take a database, on PostgreSQL 17 in a Debian 13 of its own in bin/debian13, which lives in a mount namespace
# that ends with them: as root, 800 MB. The first time it takes two minutes more.
DEBIAN ?= # a mirror; debootstrap's own if empty
test-postgres17: bin/debian13 ## the tests of the database on PostgreSQL 17, in a Debian 13 (root)
	go test -c -o bin/debian13/opt/store.test ./store
	go test -c -o bin/debian13/opt/cluster.test ./store/cluster
	go test -c -o bin/debian13/opt/tap25.test ./cmd/tap25
	unshare --mount sh -ec 'cd bin/debian13 && mount --bind ../.. mnt && mount -t proc proc proc && mount --rbind /dev dev && \
		exec chroot . env -i PATH=/usr/sbin:/usr/bin HOME=/root TAP25_TEST_REQUIRE=postgres sh -ec "\
			cd /mnt/store && /opt/store.test -test.timeout 30m; \
			cd /mnt/store/cluster && /opt/cluster.test -test.timeout 30m; \
			cd /mnt/cmd/tap25 && /opt/tap25.test -test.timeout 30m -test.run \"TestReplay_Into|TestHold|TestPsql|TestMigrate|TestDB\""'

bin/debian13:
	rm -rf $@.new
	debootstrap --variant=minbase --include=ca-certificates trixie $@.new $(DEBIAN)
	printf '#!/bin/sh\nexit 101\n' >$@.new/usr/sbin/policy-rc.d && chmod +x $@.new/usr/sbin/policy-rc.d # nothing is started
	mkdir -p $@.new/etc/postgresql-common && echo 'create_main_cluster = false' >$@.new/etc/postgresql-common/createcluster.conf
	chroot $@.new sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql-17 && apt-get clean' </dev/null
	mv $@.new $@

check: ## gofmt, go vet, staticcheck, and which package may import which
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change these'; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	$(DEPGUARD) ./...

# The properties with millions of cases, the XDP program against the decoder on FRAMES random frames, and each fuzz target for
# FUZZTIME: two hours with the defaults. Seeds, cases and executions are printed. Before Go 1.27 a target may end with its time
# and no failing input (golang/go#75804): it runs once more.
FRAMES ?= 1000000
FUZZTIME ?= 60s
fuzz: properties ## properties, random frames and each fuzz target for FUZZTIME: two hours
	TAP25_FRAMES=$(FRAMES) go test -count=1 -timeout 30m -run 'AgreesWithTheDecoder$$' -v ./bpf
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	fuzz() { { go test -run '^$$' -fuzz "^$$2\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$1 2>&1; echo "status $$?"; } | tee $$log; grep -q '^status 0$$' $$log; }; \
	for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "$$p $$f"; fuzz $$p $$f || { grep -q 'context deadline exceeded' $$log && ! grep -q 'Failing input' $$log && fuzz $$p $$f; } || exit 1; done; done

# The bounds at their full sizes: a million half-open connections, ten million fragments, hostile traffic live and its rates (as
# root), its cost for eight times the frames: fifteen minutes. The rates need a core of their own.
bounds: ## hostile traffic and limits at full size: fifteen minutes (root)
	TAP25_TEST_BOUNDS=full go test -count=1 -p 1 -timeout 1h -run 'Bounds|Cost' -v ./cmd/tap25 ./reassembly

# Postfix and Exim write each other MAILS messages, live; other captures of real software are replayed: ten minutes or so, as root.
MAILS ?= 50000
live: install-test ## Postfix and Exim write each other MAILS messages, live (root)
	TAP25_TEST_REQUIRE=root,bpf,netns,postgres,mta,haproxy,dovecot TAP25_TEST_MAILS=$(MAILS) go test -count=1 -timeout 2h -run "PostfixAndExim|TestLive_" -v ./cmd/tap25

# The properties (make test draws 5,000 cases each of the dialogue's and 1,000 of the assembler's): CASES each of the former, a
# fiftieth of it of the latter, which lose, reorder and copy whole segments.
CASES ?= 1000000
SEED := $(or $(SEED),$(shell od -An -N6 -tu8 /dev/urandom | tr -d ' '))
properties: ## CASES random cases of each property
	@echo "seed $(SEED), $(CASES) cases of each property of the dialogue, $$(($(CASES) / 50)) of each of the assembler"
	go test -count=1 -timeout 4h -run Property -v ./reassembly/smtp -rapid.checks=$(CASES) -rapid.seed=$(SEED)
	go test -count=1 -timeout 4h -run 'Assembler_(Loss|Order|Split)' -v ./reassembly -rapid.checks=$$(($(CASES) / 50)) -rapid.seed=$(SEED)
	TAP25_TEST_LONG=1 go test -count=1 -timeout 1h -run TestBodies_ChangeNoRow -v ./bpf

# The faults around spool and database in their long form: hundreds of kills, a million rows, ten minutes without a database. One
# package at a time: how fast the rows of those ten minutes drain is asserted.
kills: ## kills, faults and ten minutes without a database: forty minutes
	TAP25_TEST_KILLS=full go test -count=1 -timeout 1h -run Fault -v ./store/spool
	TAP25_TEST_KILLS=full go test -p 1 -count=1 -timeout 3h -run 'Loader|Follow|Replay_|Stream' -v ./store ./store/stream ./cmd/tap25/...

pack-kills: ## packing of a day killed at 200 random points: ten minutes
	TAP25_TEST_REQUIRE=postgres TAP25_TEST_KILLS=full go test -count=1 -timeout 1h -run TestPack_Every -v ./store

pack-rows: ## 10,000,000 rows packed, unpacked and compared: ten minutes
	TAP25_TEST_REQUIRE=postgres TAP25_TEST_KILLS=full go test -count=1 -timeout 4h -run TestPack_RowsOfAProvider -v ./store

# EDITS random changes of a database, by whoever has all rights on it; 'tap25 verify' finds and names each.
EDITS ?= 1000
evidence: ## EDITS random changes of a database, each found and named: a minute
	TAP25_TEST_REQUIRE=postgres TAP25_TEST_EDITS=$(EDITS) go test -count=1 -timeout 1h -run TestVerify ./store

# Leaders killed with their Patroni in mid-load, KILLS times asynchronously and as often synchronously: half a minute each.
KILLS ?= 6
test-ha: install-test ## leaders of a Patroni pair killed in mid-load, KILLS times each way
	@command -v patroni >/dev/null && PATH=$$PATH:/usr/sbin command -v etcd >/dev/null || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends patroni etcd-server python3-etcd; }
	TAP25_TEST_REQUIRE=postgres TAP25_TEST_HA=$(KILLS) go test -count=1 -timeout 2h -run 'HA_|Failover' -v ./cmd/tap25 ./store

# The questions of docs/auditing.md, which DuckDB answers from exported files, and a file of random rows.
test-parquet: install-duckdb ## DuckDB answers the auditor's questions from exported files
	TAP25_TEST_REQUIRE=postgres,duckdb go test -count=1 -run '^TestDuckDB_' -v ./cmd/tap25 ./cmd/tap25/rowfile

# The same of ClickHouse and pandas.
test-parquet-engines: install-parquet-engines ## ClickHouse and pandas read exported files
	TAP25_TEST_REQUIRE=postgres,clickhouse,pandas go test -count=1 -run '^Test(ClickHouse|Pandas)_' -v ./cmd/tap25 ./cmd/tap25/rowfile

# The URL is that of a superuser on a Citus coordinator, to which the workers were added: make test-citus
# TAP25_TEST_CITUS=postgres://...
test-citus: ## a database over several servers; TAP25_TEST_CITUS is the URL of its coordinator
	TAP25_TEST_REQUIRE=postgres,citus go test -count=1 -run '^TestDistribute_' -v ./store

# These measure tap25, Suricata and tshark if they are installed, and programs that do nothing with the frames. They write the
# figures into the section "Beside others" of docs/measurements.md. PEERS has more flags, such as '-rounds 1' (bin/peers replay -h).
# The captures, 4 GB, stay in bin/captures for the next run; only root can make them. Under sudo nothing is built, see current.
bench-peers: bin/peers ## tap25 beside other programs on captures: ten minutes (root, the first time)
	bin/peers replay $(PEERS)
bench-live: bin/peers ## tap25 beside other programs on an interface: twenty minutes (root)
	bin/peers live $(PEERS)
bin/peers: current
	@[ "$$(id -u)" != 0 ] || PATH=$$PATH:/usr/sbin command -v smtp-source >/dev/null || $(MAKE) --no-print-directory bin/mta
	@[ -z "$$SUDO_UID" ] || [ -x $@ ] || { echo "$@ is missing: run 'make build bin/peers' first" >&2; exit 1; }
	@[ -n "$$SUDO_UID" ] || { go build -o $@ ./bench/peers && go test -c -o bin/bpf.test ./bpf; }

# Of what a replay does most often, the compiler makes faster code. An old profile costs speed, and nothing else.
profile: bin/captures/100000.pcap bin/captures/small200000.pcap ## make cmd/tap25/default.pgo anew (root, the first time)
	TAP25_BENCH_CAPTURES='$(abspath $^)' go test -trimpath -run '^$$' -bench Replay -benchtime 10x -o bin/replay.test \
		-cpuprofile cmd/tap25/default.pgo ./cmd/tap25/replay
bin/captures/small200000.pcap: SMALL = small
bin/captures/%.pcap: | bin/mta
	mkdir -p bin/captures
	bash bench/make-capture.sh $(subst small,,$*) $@ $(SMALL)

bench: ## benchmarks of the parts
	go test -run '^$$' -bench . -benchmem ./...

# This measures what a row and a question cost in PostgreSQL. It needs root and 15 GB at BENCH_DIR. bench/day.sh has a directory of
# its own, in which it continues a run that was interrupted.
storage: install-run ## what a row and a question cost, into docs/storage-measured.md: hours (root)
	bench/page.sh >docs/storage-measured.md.new
	mv docs/storage-measured.md.new docs/storage-measured.md

clean: ## remove bin
	rm -rf bin

include packaging/package.mk
