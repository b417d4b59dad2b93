#!/usr/bin/env bash
# Creates the topics of topics.txt that are missing, with rpk. Existing ones stay as they are.
# `stardust topics create` does the same against any broker.
set -euo pipefail
existing=$(rpk topic list | awk 'NR > 1 {print $1}')
grep -v '^#' "$(dirname "$0")/topics.txt" | while read -r topic partitions policy retention; do
    if grep -qx "$topic" <<<"$existing"; then
        echo "$topic is there"
        continue
    fi
    rpk topic create "$topic" --partitions "$partitions" \
        --topic-config "cleanup.policy=$policy" \
        --topic-config "retention.ms=$retention" \
        --topic-config max.message.bytes=4194304
done
