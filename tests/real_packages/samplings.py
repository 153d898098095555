"""Sampling values from one end of their ranges to the other."""

from common.call_grammar import CallGrammar, CallText
from common.sampling import Sampling

EOS = frozenset({2})
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string", "maxLength": 20}},
    "required": ["capital"],
    "additionalProperties": False,
}
CALLS = CallGrammar((CallText("<call>", SCHEMA, "</call>"),), "\n")
SAMPLINGS = {
    "defaults": Sampling(5, end_token_ids=EOS),
    "greedy": Sampling(5, temperature=0.0, end_token_ids=EOS),
    "nothing ends it": Sampling(5),
    "lowest": Sampling(1, 1e-5, 1e-9, 1, 0.0, 0.01, -2.0, -2.0, seed=0, end_token_ids=EOS),
    "highest": Sampling(
        4000, 2.0, 1.0, 2**31 - 1, 1.0, 2.0, 2.0, 2.0, seed=2**63 - 1, end_token_ids=EOS
    ),
    "minimum": Sampling(5, min_tokens=5, end_token_ids=EOS),
    "other ends": Sampling(5, end_token_ids=frozenset({2, 5, 700})),
    "only another end": Sampling(5, end_token_ids=frozenset({5})),
    "bias": Sampling(5, logit_bias={0: -100.0, 767: 100.0}, end_token_ids=EOS),
    "logprobs": Sampling(5, logprobs=20, end_token_ids=EOS),
    "logprobs of the chosen token": Sampling(5, logprobs=0, end_token_ids=EOS),
    "schema": Sampling(5, json_schema=SCHEMA, end_token_ids=EOS),
    "calls": Sampling(5, calls=CALLS, end_token_ids=EOS),
    "any object": Sampling(5, json_schema={"type": "object"}, end_token_ids=EOS),
}
