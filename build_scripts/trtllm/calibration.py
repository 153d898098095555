"""The texts that a model is measured with: a file, or a dataset that the user names on the hub."""

import argparse
import hashlib
from pathlib import Path

from build_scripts.builder import BuildError, Source
from build_scripts.compiled.stage import texts
from build_scripts.quantize.blocks import default_text
from build_scripts.trtllm.tables import SCHEMES

ON_THE_HUB = ("cnn_dailymail", "pileval")
"""tensorrt_llm/quantization/quantize_by_modelopt.py, get_calib_dataloader: names that hold the
first, and the second, are fetched; any other is a directory."""
SAMPLES = 512
"""quantize.py's own."""
MISTAKEN = {"mpt": "an MPT model", "vila": "VILA", "cnn_dailymail": "that dataset"}
"""Parts of a path, which quantize_by_modelopt.py takes for something else: what for."""


class Calibration:
    """The texts for the scheme `name`; `needed` where the model has to be measured at all."""

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        scheme = SCHEMES[name]
        self.needed = scheme.calibrates or options.kv_cache_dtype is not None
        self._named: str | None = options.calibration
        self._asked: int | None = options.calibration_samples
        self._most = scheme.samples or SAMPLES
        self.name = name

    @property
    def samples(self) -> int:
        return self._most if self._asked is None else self._asked

    @property
    def dataset(self) -> str | None:
        """The dataset's name on the hub, None where a file is taken."""
        named = self._named or ""
        hub = not Path(named).exists() and (ON_THE_HUB[0] in named or named == ON_THE_HUB[1])
        return named if hub else None

    def file(self, source: Source) -> Path:
        if self._named is None:
            return default_text(source.path)
        return Path(self._named).expanduser().absolute()

    @property
    def identity(self) -> str | None:
        """The content as a part of the artifact's address; None for what follows from the model."""
        if self._named is None or self.dataset is not None:
            return self._named
        file = Path(self._named).expanduser()
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def check(self, source: Source) -> None:
        """Raises BuildError."""
        if not self.needed:
            if self._named is not None or self._asked is not None:
                raise BuildError(
                    f"--calibration has no effect with --quantization {self.name}; leave it out"
                )
            return
        if self.samples > self._most:
            raise BuildError(f"--calibration-samples {self.samples}: at most {self._most} are used")
        if self.dataset is not None:
            return
        file = self.file(source)
        if self._named is not None and not file.is_file():
            raise BuildError(
                f"--calibration: there is no file {file}; allowed are a JSON Lines or text file, "
                f"and {' or '.join(ON_THE_HUB)} on the hub"
            )
        texts(source.path, file, self.samples)


def check_path(scratch: Path) -> None:
    """Raises BuildError for a path in which quantize.py sees another model than there is."""
    for part, what in MISTAKEN.items():
        if part in str(scratch):
            raise BuildError(
                f"{scratch} has {part!r} in it, by which quantize.py takes the model for {what}; "
                "give the model's directory another name, or set BENTOML_HOME"
            )
