#!/bin/sh
# Plain text that streams: sh generate.sh
curl -sN --fail-with-body "${BASE_URL:-http://localhost:3000}/generate" \
  -H "authorization: Bearer ${API_KEY:-none}" -H 'content-type: application/json' \
  -d '{"prompt": "What is the capital of France?", "max_tokens": 64}'
