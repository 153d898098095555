"""The types that SGLang's messages are decoded to: a wrong one is an error of the receiver."""

from dataclasses import asdict

from ..sampling.sampling_params import SamplingParams

INTEGERS = ("max_new_tokens", "top_k", "min_new_tokens", "n", "sampling_seed")
NUMBERS = (
    "temperature",
    "top_p",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
)
STRINGS = ("json_schema", "regex", "ebnf", "structural_tag")


def check_types(params: SamplingParams) -> None:
    """Raises TypeError."""
    values = asdict(params)
    for names, kinds in ((INTEGERS, int), (NUMBERS, int | float), (STRINGS, str)):
        for name in names:
            if values[name] is not None and not isinstance(values[name], kinds):
                raise TypeError(f"Expected `{kinds}`, got `{type(values[name])}` - at {name}")
    for key in params.logit_bias or ():
        if not isinstance(key, str):
            raise TypeError(f"Expected `str`, got `{type(key)}` - at `key` in logit_bias")
