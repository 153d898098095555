"""SGLang's own SamplingParams over what the adapter sends; prints each one's error, "" for none.

Run in `.venv-contracts`. `import sglang` asks for Triton and more; the class itself does not, so
its package is entered without its __init__.
"""

import json
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services._sglang.request import sampling_params
from tests.real_packages.samplings import EOS, SAMPLINGS

VOCABULARY = 768
TOKENIZER = types.SimpleNamespace(eos_token_id=min(EOS), additional_stop_token_ids=None)
WRONG: dict[str, dict[str, Any]] = {
    "top_k": {"top_k": 0},
    "top_p": {"top_p": 0.0},
    "temperature": {"temperature": -1.0},
    "repetition_penalty": {"repetition_penalty": 2.5},
    "min_new_tokens": {"min_new_tokens": 9, "max_new_tokens": 5},
    "logit_bias": {"logit_bias": {"768": 1.0}},
    "sampling_seed": {"sampling_seed": 2**63},
    "temperatur": {"temperatur": 1.0},
}
"""What it has to refuse, or else its silence would say nothing."""


def error(params: Mapping[str, Any]) -> str:
    from sglang.srt.sampling.sampling_params import SamplingParams

    try:
        real_params = SamplingParams(**params)
        real_params.normalize(TOKENIZER)
        real_params.verify(VOCABULARY)
    except (TypeError, ValueError) as refused:
        return str(refused)
    return ""


def main() -> None:
    package = types.ModuleType("sglang")
    package.__path__ = [str(Path(sysconfig.get_path("purelib"), "sglang"))]
    sys.modules["sglang"] = package
    sent = {
        f"{name}, own seed {seed}": error(sampling_params(values, EOS, seed))
        for name, values in SAMPLINGS.items()
        for seed in (None, 8)
    }
    wrong = {name: error(params) for name, params in WRONG.items()}
    print(json.dumps({"sent": sent, "wrong": wrong}))


if __name__ == "__main__":
    main()
