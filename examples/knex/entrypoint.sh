#!/bin/sh
# Migrates, then becomes the application. Any number of replicas may start at once: rays takes the migration lock, one
# of them migrates, and the others wait and find nothing left to do.
set -e
npx rays migrate --no-input --lock-timeout "${MIGRATION_LOCK_TIMEOUT:-120}"
exec "$@"
