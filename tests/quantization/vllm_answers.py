"""Greedy answers of the real vLLM, from several checkpoints in one process; run by its own Python.

Standard input is a JSON list of checkpoints: `name`, `path`, `prompts` of token ids, `max_tokens`,
and `dtype` where it is not vLLM's choice.
The last line of standard output is an object of the token ids of the answers, by name.
"""

import json
import os
import sys

# One thread, and no process of its own for the engine, which would wait for it in a spin.
os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", OMP_NUM_THREADS="1")

from vllm import LLM, SamplingParams
from vllm.distributed import cleanup_dist_env_and_memory


def main() -> None:
    answers = {}
    for checkpoint in json.load(sys.stdin):
        llm = LLM(
            model=checkpoint["path"],
            dtype=checkpoint.get("dtype", "auto"),
            enforce_eager=True,
            kv_cache_memory_bytes=2**30,
        )
        prompts = [{"prompt_token_ids": ids} for ids in checkpoint["prompts"]]
        greedy = SamplingParams(
            temperature=0, max_tokens=checkpoint["max_tokens"], detokenize=False
        )
        outputs = llm.generate(prompts, greedy, use_tqdm=False)
        answers[checkpoint["name"]] = [list(output.outputs[0].token_ids) for output in outputs]
        del llm
        cleanup_dist_env_and_memory()
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
