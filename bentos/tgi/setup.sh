#!/bin/sh
set -eu
# A volume that is mounted there takes over its owner.
mkdir -p /home/bentoml/.cache
chown bentoml:bentoml /home/bentoml/.cache
chmod a+x /root /root/.local /root/.local/share /root/.local/share/uv
