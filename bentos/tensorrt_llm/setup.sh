#!/bin/sh
set -eu
# A volume that is mounted there takes over its owner.
mkdir -p /home/bentoml/.cache
chown bentoml:bentoml /home/bentoml/.cache
sed -i 's/^include-system-site-packages = false/include-system-site-packages = true/' /app/.venv/pyvenv.cfg
