"""TGI's own client over what the adapter sends; prints each one's error, "" for none.

Run in `.venv-contracts`. The client ignores unknown names: those are errors here.
"""

import json
from collections.abc import Mapping
from typing import Any

from text_generation.errors import ValidationError  # type: ignore[import-not-found]
from text_generation.types import Parameters  # type: ignore[import-not-found]

from services._tgi.request import sampling_parameters
from tests.real_packages.samplings import SAMPLINGS

WRONG: dict[str, dict[str, Any]] = {
    "top_p": {"top_p": 1.0},
    "top_k": {"top_k": 0},
    "temperature": {"temperature": 0.0},
    "seed": {"seed": -1},
    "repetition_penalty": {"repetition_penalty": 0.0},
    "top_n_tokens": {"top_n_tokens": 0},
    "top_kk": {"top_kk": 1},
}
"""What it has to refuse, or else its silence would say nothing."""


def error(values: Mapping[str, Any]) -> str:
    unknown = values.keys() - Parameters.model_fields.keys()
    if unknown:
        return f"unknown: {sorted(unknown)}"
    try:
        Parameters(**values)
    except (ValidationError, ValueError) as refused:
        return str(refused)
    return ""


def main() -> None:
    sent = {name: error(sampling_parameters(values)) for name, values in SAMPLINGS.items()}
    wrong = {name: error(values) for name, values in WRONG.items()}
    print(json.dumps({"sent": sent, "wrong": wrong}))


if __name__ == "__main__":
    main()
