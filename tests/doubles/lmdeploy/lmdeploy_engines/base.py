"""What both engines have: the demo model, counts, and ways to fail.

DOUBLE_EXIT_AT_START=1 is an environment that does not pass the check. DOUBLE_DIE_AFTER and
DOUBLE_FAIL_AFTER are numbers of tokens, of all answers and of one.
"""

import copy
import logging
import os
import sys
from pathlib import Path
from typing import Any

from lmdeploy.messages import ScheduleMetrics
from lmdeploy.tokenizer import Tokenizer

from tests.doubles.generation import DemoGenerator

DEFAULT_BATCH_SIZE = 128
logger = logging.getLogger("lmdeploy")


class DoubleEngine:
    def __init__(self, model_path: Path, engine_config: Any) -> None:
        if os.environ.get("DOUBLE_EXIT_AT_START"):
            logger.error("<Environment> check failed!\nPlease check your environment.")
            sys.exit(1)
        self.engine_config = copy.deepcopy(engine_config)
        if self.engine_config.max_batch_size is None:
            self.engine_config.max_batch_size = DEFAULT_BATCH_SIZE
        self.generator = DemoGenerator(model_path)
        self.eos = Tokenizer(str(model_path)).eos_token_id or 0
        self.tokens = 0
        """Given so far."""
        self.fail_after = int(os.environ.get("DOUBLE_FAIL_AFTER", sys.maxsize))
        self._die_after = int(os.environ.get("DOUBLE_DIE_AFTER", sys.maxsize))

    def count_token(self) -> None:
        self.tokens += 1
        if self.tokens == self._die_after:
            self.die()

    def die(self) -> None:
        raise NotImplementedError

    def get_schedule_metrics(self) -> ScheduleMetrics:
        running = self.generator.running
        usage = min(running / self.engine_config.max_batch_size, 1.0)
        return ScheduleMetrics(running, 0, usage, scheduler_tick=self.tokens)

    def close(self) -> None:
        self.generator.close()
