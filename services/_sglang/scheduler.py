"""What SGLang's scheduler process runs: its own scheduler, with exact penalties.

Imported by that process, too; SGLang itself is imported in it only.
"""

import contextlib
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from common.messages import one_line


def run_scheduler(
    failures: "Connection[str, str]", server_args: Any, port_args: Any, *ranks: Any
) -> None:
    """Run in a process of its own until it is killed.

    The cause of a failure goes to `failures`: the starting process learns from SGLang only that
    this one has ended. Token ids go to the engine's process directly, without SGLang's detokenizer.
    """
    with sent_to(failures):
        from sglang.srt.managers import scheduler

        scheduler.Scheduler = scheduler_class(scheduler.Scheduler, failures)
        keep_penalties()
        port_args.detokenizer_ipc_name = port_args.tokenizer_ipc_name
        scheduler.run_scheduler_process(server_args, port_args, *ranks)


@contextlib.contextmanager
def sent_to(failures: "Connection[str, str]") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Nobody reads on once the engine is loaded.
        with contextlib.suppress(OSError):
            failures.send(one_line(error))
        raise


def scheduler_class(base: Any, failures: "Connection[str, str]") -> Any:
    """Returns a subclass of SGLang's Scheduler."""

    class ServiceScheduler(base):
        """While it computes a step, SGLang prepares the next one, and the penalties of that would
        be of the tokens without the last one. A batch with penalties is prepared after its step."""

        _processed: Any = None

        def __init__(self, *args: Any) -> None:
            # SGLang logs what is raised here, and sends a signal.
            with sent_to(failures):
                super().__init__(*args)

        def get_next_batch_to_run(self, running_batch: Any, last_batch: Any) -> Any:
            early = self.enable_overlap and self.result_queue
            if not early or not (penalized(running_batch) or penalized(last_batch)):
                return super().get_next_batch_to_run(running_batch, last_batch)
            batch, result = self.result_queue.popleft()
            super().process_batch_result(batch, result)
            plan = super().get_next_batch_to_run(running_batch, last_batch)
            # The event loop will take it from here, to process it.
            self.result_queue.append((batch, result))
            self._processed = result
            return plan

        def process_batch_result(self, batch: Any, result: Any) -> None:
            if result is not self._processed:
                super().process_batch_result(batch, result)
            self._processed = None

    return ServiceScheduler


def penalized(batch: Any) -> bool:
    """Returns whether a penalty of the batch depends on which tokens came."""
    from sglang.srt.sampling.penaltylib import BatchedMinNewTokensPenalizer

    if batch is None or not batch.reqs:
        return False
    penalizers = batch.sampling_info.penalizer_orchestrator.penalizers
    return any(
        penalizer.is_prepared()
        for kind, penalizer in penalizers.items()
        if kind is not BatchedMinNewTokensPenalizer
    )


def keep_penalties() -> None:
    """Let the penalties of a request begin with the tokens that it has: where the KV cache is full
    SGLang computes a request again, and would count only the tokens from then on."""
    from sglang.srt.sampling.penaltylib import (
        BatchedFrequencyPenalizer,
        BatchedMinNewTokensPenalizer,
        BatchedPresencePenalizer,
    )

    def add_frequency(penalizer: Any, row: int, ids: Any) -> None:
        times = penalizer.frequency_penalties[row].expand(len(ids))
        penalizer.cumulated_frequency_penalties[row].index_add_(0, ids, times)

    def add_presence(penalizer: Any, row: int, ids: Any) -> None:
        penalizer.cumulated_presence_penalties[row, ids] = penalizer.presence_penalties[row]

    def add_length(penalizer: Any, row: int, ids: Any) -> None:
        penalizer.len_output_tokens[row] = len(ids)

    _begin_with_past(BatchedFrequencyPenalizer, add_frequency)
    _begin_with_past(BatchedPresencePenalizer, add_presence)
    _begin_with_past(BatchedMinNewTokensPenalizer, add_length)


def _begin_with_past(kind: Any, add: Callable[[Any, int, Any], None]) -> None:
    """`add` gets a penalizer, the row of a request and the ids that it has generated."""
    import torch

    prepare = kind._prepare

    def prepare_with_past(penalizer: Any) -> None:
        prepare(penalizer)
        for row, request in enumerate(penalizer.orchestrator.reqs()):
            if request.output_ids:
                ids = torch.tensor(list(request.output_ids), device=penalizer.orchestrator.device)
                add(penalizer, row, ids)

    kind._prepare = prepare_with_past
