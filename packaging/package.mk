# The Debian package and the archives of a release, in bin/dist. All of it is reproducible: times are those of the commit.

TOOLS = go tool -modfile=packaging/tools.mod
RELEASE := $(shell sed -n 's/^const release = "\(.*\)"$$/\1/p' cmd/tap25/version.go)
DEB_VERSION ?= $(subst -,~,$(RELEASE))-1
ARCHS ?= amd64 arm64
DIST = bin/dist
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

.PHONY: deb dist dist-source test-package

deb: $(ARCHS:%=deb-%) ## a Debian package for each of ARCHS in bin/dist
dist: dist-source $(ARCHS:%=dist-%) ## archives of a static program for each of ARCHS, of the sources, SBOMs and checksums, in bin/dist
	cd $(DIST) && sha256sum tap25-$(RELEASE)-*.tar.gz tap25-$(RELEASE)-*.cdx.json >SHA256SUMS

# What is installed, below bin/dist/ARCH. The host's own program writes manual pages and completions.
tree-%: build
	rm -rf $(DIST)/$*
	GOARCH=$* go build -pgo=auto -trimpath -ldflags '-s -w' -o $(DIST)/$*/tap25 ./cmd/tap25
	$(MAKE) --no-print-directory install PROGRAM=$(DIST)/$*/tap25 DESTDIR=$(DIST)/$*/root PREFIX=/usr
	gzip -9n $(DIST)/$*/root/usr/share/man/man*/*

deb-%: tree-%
	ARCH=$* VERSION=$(DEB_VERSION) TREE=$(DIST)/$*/root sh packaging/debian/build.sh $(DIST)/tap25_$(DEB_VERSION)_$*.deb

dist-%: tree-%
	rm -rf $(DIST)/$*/tap25-$(RELEASE) && mkdir -p $(DIST)/$*/tap25-$(RELEASE)/bpf
	cp -r $(DIST)/$*/root/usr/. LICENSE README.md CHANGELOG.md SECURITY.md DESIGN.md docs packaging $(DIST)/$*/tap25-$(RELEASE)
	cp bpf/LICENSE $(DIST)/$*/tap25-$(RELEASE)/bpf
	$(call archive,$(DIST)/$*,$(DIST)/tap25-$(RELEASE)-linux-$*.tar.gz)
	$(TOOLS) cyclonedx-gomod bin -json -std -noserial -notimestamp -version $(RELEASE) \
		-output $(DIST)/tap25-$(RELEASE)-linux-$*.cdx.json $(DIST)/$*/tap25

# The sources of the commit with the modules that they need: Go builds them without a network.
dist-source:
	rm -rf $(DIST)/source && mkdir -p $(DIST)/source
	git archive --prefix=tap25-$(RELEASE)/ HEAD | tar -x -C $(DIST)/source
	cd $(DIST)/source/tap25-$(RELEASE) && go mod vendor
	$(call archive,$(DIST)/source,$(DIST)/tap25-$(RELEASE)-source.tar.gz)

# The directory tap25-RELEASE in $1 as the archive $2, the same for the same files.
archive = tar -C $1 --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
	-cf - tap25-$(RELEASE) | gzip -9n >$2

# Installs, upgrades under a running tap, removes and purges the package in a Debian 12 and a Debian 13, and has lintian judge it.
DEBIAN ?= # a mirror; debootstrap's own if empty
test-package: ## the Debian package in a Debian 12 and 13 of its own (root)
	$(MAKE) --no-print-directory deb ARCHS=$$(dpkg --print-architecture) DEB_VERSION=0.0.1-1
	$(MAKE) --no-print-directory deb ARCHS=$$(dpkg --print-architecture)
	command -v lintian >/dev/null || { $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy --no-install-recommends lintian; }
	lintian --fail-on error,warning --suppress-tags bad-distribution-in-changes-file $(DIST)/tap25_$(DEB_VERSION)_*.deb
	for suite in bookworm trixie; do DEBIAN='$(DEBIAN)' sh packaging/debian/test.sh $$suite $(DIST)/tap25_0.0.1-1_*.deb $(DIST)/tap25_$(DEB_VERSION)_*.deb || exit 1; done
