#!/bin/sh
# Starts the service in a container, and before it a node of the Ray cluster to drive from.
set -eu

if [ -n "${CUVEE_RAY_ADDRESS:-}" ]; then
    # With no CPUs, none of the work comes here.
    ray start --address="$CUVEE_RAY_ADDRESS" --num-cpus=0
fi
exec cuvee serve "$@"
