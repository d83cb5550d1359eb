#!/bin/sh
# Runs a command of Cuvee's with the database's password, which stays in its secret file.
set -eu

if [ -r "${POSTGRES_PASSWORD_FILE:-}" ]; then
    PGPASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
    export PGPASSWORD
fi
exec "$@"
