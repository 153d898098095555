"""outlines: from_vllm, which sends vLLM's structured_outputs."""

import openai
import outlines

from tests.clients.scripts.checks import BASE_URL, MODEL
from tests.clients.scripts.outlines_checks import run_with

model = outlines.from_vllm(openai.OpenAI(base_url=BASE_URL, api_key="none"), MODEL)

if __name__ == "__main__":
    run_with(model)
