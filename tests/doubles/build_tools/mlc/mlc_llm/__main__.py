"""Takes the flags of mlc-ai/mlc-llm, python/mlc_llm/cli/*.py; writes files with their names."""

import json
import sys
from pathlib import Path

from tests.doubles.build_tools.behaviour import meet_trouble, parser

FLAGS: dict[str, dict[str, object]] = {
    "convert_weight": dict.fromkeys(("config", "--quantization", "--device", "--output")),
    "gen_config": dict.fromkeys(
        (
            *("config", "--quantization", "--conv-template", "--context-window-size"),
            *("--prefill-chunk-size", "--tensor-parallel-shards", "--max-batch-size", "--output"),
        )
    ),
    "compile": {"model": None, "--device": None, "--opt": None, "--output": None},
}


def main(command: str, arguments: list[str]) -> None:
    options = parser(command, FLAGS[command]).parse_args(arguments)
    output = Path(options.output)
    if command == "convert_weight":
        file, text = output / "tensor-cache.json", json.dumps({"records": []})
    elif command == "gen_config":
        file, text = output / "mlc-chat-config.json", json.dumps(vars(options))
    else:
        assert Path(options.model).is_file()
        file, text = output, "library"
    meet_trouble(command, file)
    file.write_text(text)


main(sys.argv[1], sys.argv[2:])
