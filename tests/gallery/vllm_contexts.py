"""The contexts that the real vLLM takes for model directories; run by its own Python.

Standard input is a JSON list of pairs: a directory, and a max_model_len or null. The last line of
standard output is the list of the contexts, in their order.
"""

import json
import sys
from pathlib import Path

from vllm.engine.arg_utils import AsyncEngineArgs

from common.models.model import open_model
from common.settings import Settings
from services._vllm.arguments import engine_arguments


def context(folder: str, asked: int | None) -> int:
    """Returns what vLLM makes of the arguments that our adapter gives it."""
    settings = Settings(model=folder, max_model_len=asked)
    arguments = engine_arguments(settings, open_model(settings, Path(folder)))
    engine = AsyncEngineArgs(model=folder, **arguments)
    return int(engine.create_model_config().max_model_len)


if __name__ == "__main__":
    print(json.dumps([context(*pair) for pair in json.load(sys.stdin)]))
