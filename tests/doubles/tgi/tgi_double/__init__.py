"""TGI as it is seen from outside: the launcher with its flags and processes, the router's routes.

Requests are checked against TGI's published OpenAPI document, and refused for a field that it
does not have, which TGI itself would pass over; then as router/src/validation.rs does. Answers
come from the demo model. Failures are asked for by variables:

DOUBLE_START=fail|hang    the shard runs out of memory, or is never ready
DOUBLE_DIE_AFTER=n        the router ends itself after n tokens of all requests
DOUBLE_FAIL_AFTER=n       each stream has an error event in the place of token n + 1
DOUBLE_CUT_AFTER=n        each stream ends after n tokens, without its last event
DOUBLE_STEP_SECONDS=s     least time per token
"""
