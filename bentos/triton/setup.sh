#!/bin/sh
set -eu
# A volume that is mounted there takes over its owner.
mkdir -p /home/bentoml/.cache
chown bentoml:bentoml /home/bentoml/.cache
ls /opt/tritonserver/backends/tensorrtllm/libtriton_tensorrtllm*.so
