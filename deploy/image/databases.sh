#!/bin/sh
# Writes the SQL that makes a role and a database of its own for each name in DATABASES. Usage: databases.sh [OPTION OF A ROLE]
set -eu

# One statement a line, as the server's single-user mode takes them.
for name in $DATABASES; do
    printf 'CREATE ROLE "%s" LOGIN %s;\n' "$name" "$*"
    printf 'CREATE DATABASE "%s" OWNER "%s" TEMPLATE template0;\n' "$name" "$name"
    printf 'REVOKE ALL ON DATABASE "%s" FROM PUBLIC;\n' "$name"
done
