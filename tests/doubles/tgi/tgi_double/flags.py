"""The launcher's flags, as docs/source/reference/launcher.md lists them; errors as clap's."""

import os
import sys
from collections.abc import Sequence

Values = dict[str, str]

NUMBERS = {
    "validation-workers": "2", "num-shard": None, "speculate": None, "waiting-served-ratio": "0.3",
    "max-concurrent-requests": "128", "max-best-of": "2", "max-stop-sequences": "4",
    "max-top-n-tokens": "5", "max-input-tokens": None, "max-input-length": None,
    "max-total-tokens": None,
    "max-batch-prefill-tokens": None, "max-batch-total-tokens": None, "max-waiting-tokens": "20",
    "max-batch-size": None, "port": "3000", "prometheus-port": "9000", "master-port": "29500",
    "cuda-memory-fraction": "1.0", "rope-factor": None, "watermark-gamma": None,
    "watermark-delta": None, "max-client-batch-size": "4", "payload-limit": "2000000",
    "graceful-termination-timeout": "90",
}  # fmt: skip
TEXTS = {
    "model-id": "bigscience/bloom-560m", "revision": None, "cuda-graphs": None,
    "hostname": "0.0.0.0", "shard-uds-path": "/tmp/text-generation-server",
    "master-addr": "localhost", "huggingface-hub-cache": None, "weights-cache-override": None,
    "otlp-endpoint": None, "otlp-service-name": "text-generation-inference.router",
    "cors-allow-origin": None, "api-key": None, "ngrok-authtoken": None, "ngrok-edge": None,
    "tokenizer-config-path": None, "lora-adapters": None,
}  # fmt: skip
CHOICES = {
    "sharded": ("true", "false"),
    "quantize": (
        "awq", "compressed-tensors", "eetq", "exl2", "gptq", "marlin", "bitsandbytes",
        "bitsandbytes-nf4", "bitsandbytes-fp4", "fp8",
    ),
    "dtype": ("float16", "bfloat16"),
    "kv-cache-dtype": ("fp8_e4m3fn", "fp8_e5m2"),
    "rope-scaling": ("linear", "dynamic"),
    "usage-stats": ("on", "off", "no-stack"),
}  # fmt: skip
SWITCHES = (
    "trust-remote-code", "disable-custom-kernels", "json-output", "ngrok", "env",
    "disable-grammar-support", "enable-prefill-logprobs",
)  # fmt: skip
SHORT = {"p": "port", "e": "env", "g": "graceful-termination-timeout"}
KNOWN = {*NUMBERS, *TEXTS, *CHOICES, *SWITCHES}


def parse(argv: Sequence[str]) -> Values:
    """Flags win over variables, variables over defaults. Ends the process for what is wrong."""
    given: Values = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            name = SHORT.get(word.removeprefix("-"), "")
        if name not in KNOWN:
            fail(f"unexpected argument '{word}' found\n\nUsage: text-generation-launcher [OPTIONS]")
        if name in given:
            fail(f"the argument '{shown(name)}' cannot be used multiple times")
        if name in SWITCHES:
            given[name] = "true"
        else:
            given[name] = value if equals else next(words, "")
    for name in KNOWN - given.keys() - {"env"}:
        if (variable := os.environ.get(name.upper().replace("-", "_"))) is not None:
            given[name] = variable
    for name, value in given.items():
        check(name, value)
    defaults = {k: v for k, v in (*NUMBERS.items(), *TEXTS.items()) if v is not None}
    return {**defaults, **given}


def check(name: str, value: str) -> None:
    if name in CHOICES and value not in CHOICES[name]:
        choices = ", ".join(CHOICES[name])
        fail(f"invalid value '{value}' for '{shown(name)}'\n  [possible values: {choices}]")
    if name in SWITCHES and value not in ("true", "false"):
        fail(f"invalid value '{value}' for '{shown(name)}'")
    if name in NUMBERS:
        try:
            float(value)
        except ValueError:
            fail(f"invalid value '{value}' for '{shown(name)}': invalid digit found in string")


def shown(name: str) -> str:
    return f"--{name}" if name in SWITCHES else f"--{name} <{name.upper().replace('-', '_')}>"


def fail(message: str) -> None:
    print(f"error: {message}\n\nFor more information, try '--help'.", file=sys.stderr)
    sys.exit(2)
