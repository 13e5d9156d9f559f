#!/bin/sh
# Temporal's tables, made or brought to this version; does nothing if they are. The password is in SQL_PASSWORD.
set -eu
for schema in temporal:temporal temporal_visibility:visibility; do
    tool="temporal-sql-tool --plugin postgres12 --endpoint postgres --port 5432 --user temporal --database ${schema%:*}"
    $tool setup-schema -v 0.0
    $tool update-schema -d "/etc/temporal/schema/postgresql/v12/${schema#*:}/versioned"
done
