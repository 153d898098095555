"""Plain text that streams, without a client library: python generate.py"""

import os

import httpx

url = os.environ.get("BASE_URL", "http://localhost:3000") + "/generate"
headers = {"authorization": f"Bearer {os.environ.get('API_KEY', 'none')}"}
body = {"prompt": "What is the capital of France?", "max_tokens": 64}
with httpx.stream("POST", url, json=body, headers=headers, timeout=120) as response:
    if response.is_error:
        error = response.read() and response.json()["error"]
        raise SystemExit(f"{response.status_code} {error['code']}: {error['message']}")
    # A body that breaks off raises httpx.RemoteProtocolError: a cut answer never looks complete.
    for piece in response.iter_text():
        print(piece, end="", flush=True)
print()
