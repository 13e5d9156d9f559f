#!/bin/sh
# Writes .env for docker-compose.yml: .env.example with a random value in every line that has none.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo ".env is there already, and running servers may know its passwords; remove it yourself if you mean it." >&2
    exit 1
fi
umask 077
while IFS= read -r line; do
    case $line in
        [A-Z]*=) line=$line$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n') ;;
    esac
    printf '%s\n' "$line"
done <.env.example >.env.new
mv .env.new .env
echo "Wrote .env. Next: docker compose up -d --build"
