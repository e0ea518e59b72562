#!/bin/sh
# Notification script for a sentinel: `notify.sh EVENT-TYPE DESCRIPTION`.
# Appends one line to $TOPPLE_NOTIFY_LOG, or to notifications.log in the sentinel's working directory.
# Exit code 1 would make the sentinel try again later; 2 and above would not.
set -u
log=${TOPPLE_NOTIFY_LOG:-notifications.log}
printf '%s %s %s\n' "$(date '+%Y-%m-%dT%H:%M:%S%z')" "${1:?event type}" "${2:-}" >>"$log" || exit 1
