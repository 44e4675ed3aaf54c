#!/bin/sh
# postgresql.sh [CONF ORIGIN]: installs the distribution's PostgreSQL server and psql, without what they only recommend, which may be a mail
# server, and without the cluster that Debian makes: tap25 makes one of its own.
set -eu
! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || exit 0
here=$(dirname "$0")
sh "$here/root.sh" apt-get update -q
server=$(apt-cache depends postgresql | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
if [ "$(id -u)" != 0 ]; then
	echo "Missing: postgresql-common ${server:-and the server, such as postgresql-17}"
	exec sh "$here/root.sh" sh "$here/postgresql.sh"
fi
[ -n "$server" ] || { echo "apt-cache knows no package postgresql: name a mirror of the distribution in /etc/apt." >&2; exit 1; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; }
install postgresql-common
conf=${1:-/etc/postgresql-common/createcluster.conf} origin=${2:-/usr/share/postgresql-common/createcluster.conf}
if cmp -s "$conf" "$origin"; then # as the package has it, so nobody's own
	sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$conf"
	echo "$conf: create_main_cluster = false"
fi
install "$server"
