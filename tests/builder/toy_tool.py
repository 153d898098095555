"""The tool of the toy builder."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.doubles.build_tools.behaviour import meet_trouble, parser

options = parser("toy", {"--config": None, "--output": None}).parse_args()
output = Path(options.output)
print(f"\rworking on {output.name}", flush=True)
if output.name == "result":
    meet_trouble("toy", output)
    output.write_text(os.environ["TEXT"])
