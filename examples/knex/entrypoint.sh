#!/bin/sh
# Migrates, then becomes the application. Any number of replicas may start at once: one of them migrates. Knex does not wait
# for another that does, but fails; so the others try again until it is done, and find nothing left to do.
waited=0
until said=$(npx knex migrate:latest 2>&1); do
  case $said in
    *"already locked"* | *"database is locked"* | *knex_migrations*exist*) ;;
    *)
      echo "$said" >&2
      exit 1
      ;;
  esac
  if [ "$waited" -ge "${MIGRATION_LOCK_TIMEOUT:-120}" ]; then
    echo "$said" >&2
    exit 1
  fi
  waited=$((waited + 1))
  sleep 1
done
echo "$said"
exec "$@"
