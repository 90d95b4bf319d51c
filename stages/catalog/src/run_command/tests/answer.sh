#!/bin/sh
# Answers every row alike: what the pinned key of `command` is about.
while read -r row; do
    echo '{"answer": "yes", "margin": 0.5}'
done
