#!/usr/bin/env bash
# Runs the other scripts of this directory, and prints their results as docs/storage-measured.md. FORM=1 runs nothing, and prints only
# headings and commands.
set -euo pipefail
cd "$(dirname "$0")"
part() { # heading, what it is, command
	echo
	echo "## $1"
	echo
	echo "\`$2\`"
	[ -z "${FORM:-}" ] || return 0
	echo
	env $2 | cat -s
}
cat <<END
# Rows and questions, as measured

\`make storage\` writes this page. [storage.md](storage.md) has what was chosen by such figures, and why.
END
[ -n "${FORM:-}" ] || {
	echo
	echo "$(nproc) cores, Linux $(uname -r | cut -d- -f1), $("$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)/postgres" --version), $(date -u +%F)."
	[ "${DAY_ROWS:-100000000}" -ge 100000000 ] || {
		echo
		echo "**Of fewer rows than the target takes by itself. The commands have how many.**"
	}
}
part 'Columns and indexes' "ROWS=${INDEX_ROWS:-1000000} ./indexes.sh"
part 'Days that are not packed' "DAYS=${DAYS:-100} ROWS_A_DAY=${ROWS_A_DAY:-100000} ./questions.sh"
part 'Packed days' "PACK=1 DAYS=${DAYS:-100} ROWS_A_DAY=${ROWS_A_DAY:-100000} ./questions.sh"
part 'A day of many rows' "FILL=1 ROWS=${DAY_ROWS:-100000000} ./day.sh"
