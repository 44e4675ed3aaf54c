#!/bin/sh
# root.sh COMMAND...: runs a command as root, through sudo if need be. Without sudo it says what root has to run; the list of
# packages then stays as it is.
[ "$(id -u)" != 0 ] || exec "$@"
! command -v sudo >/dev/null || exec sudo "$@"
case "$*" in 'apt-get update'*) exit 0 ;; esac
echo "This takes root, and there is no sudo. Run as root, then make again:" >&2
echo "    $*" >&2
exit 1
