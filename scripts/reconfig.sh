#!/bin/sh
# Client reconfiguration script for a sentinel, run when a master's address has changed:
# `reconfig.sh MASTER-NAME ROLE STATE FROM-IP FROM-PORT TO-IP TO-PORT`; ROLE is leader or observer.
# Appends one line to $TOPPLE_RECONFIG_LOG, or to reconfigurations.log in the sentinel's working directory.
set -u
log=${TOPPLE_RECONFIG_LOG:-reconfigurations.log}
[ $# -ge 7 ] || { echo "expected 7 arguments, got $#" >&2; exit 2; }
printf '%s %s %s %s %s:%s -> %s:%s\n' "$(date '+%Y-%m-%dT%H:%M:%S%z')" "$1" "$2" "$3" "$4" "$5" "$6" "$7" \
    >>"$log" || exit 1
