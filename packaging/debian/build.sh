#!/bin/sh
# build.sh PACKAGE: makes the Debian package of the files below $TREE, for $ARCH, of $VERSION.
set -eu
doc=$TREE/doc
rm -rf "$doc" && mkdir "$doc"
cp packaging/debian/copyright packaging/debian/README.Debian "$doc"
cp README.md DESIGN.md SECURITY.md "$doc"
cp -r docs "$doc"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
printf 'tap25 (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- tap25 maintainers <maintainers@tap25.example>  %s\n' \
	"$VERSION" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
find "$TREE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find "$TREE" -type d -exec chmod 755 {} +
find "$TREE" -type f ! -path '*/bin/*' -exec chmod 644 {} +
go tool -modfile=packaging/tools.mod nfpm package --config packaging/debian/nfpm.yaml --packager deb --target "$1"
