#!/bin/sh
# A notification script that works: says what it was told. What it prints is part of the event of its run.
echo "$1: $2"
