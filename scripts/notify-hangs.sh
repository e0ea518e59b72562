#!/bin/sh
# A notification script that hangs, until the sentinel ends it.
exec sleep 3600
