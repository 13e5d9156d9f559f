#!/bin/sh
# Makes the namespace of TEMPORAL_NAMESPACE at TEMPORAL_ADDRESS if there is none, and waits until it can be used.
set -eu
namespace=$TEMPORAL_NAMESPACE

# Tries a command once a second for a minute.
patiently() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -ge 60 ]; then
            "$@"
            return
        fi
        sleep 1
    done
}

patiently temporal operator cluster health
# Closed runs stay visible in Temporal's UI this long; what Muster's users read is in Muster's own database.
temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$namespace" --retention 168h
# The server learns of a new namespace a few seconds later.
patiently temporal workflow count --namespace "$namespace"
echo "Namespace $namespace can be used."
