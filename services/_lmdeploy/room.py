"""Whether a prompt with its answer, as long as the context, fits into LMDeploy's KV cache."""

from typing import Any

from common.errors import StartError
from common.models.model import LoadPlan


def check_room(config: Any, load: LoadPlan) -> None:
    """Looks before TurboMind loads, which says neither then nor later what it has room for.

    Counted is the most that it can get, of what is free on the fullest of its GPUs: its share of
    what the weights leave. Its libraries and activations take some of that. Raises StartError.
    """
    import torch

    if load.weight_bytes is None or not load.kv_bytes_per_token or not torch.cuda.is_available():
        return
    gpus = range(min(config.tp, torch.cuda.device_count()))
    free = min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    room = config.cache_max_entry_count * max(free - load.weight_bytes, 0)
    check_fitting(int(room / load.kv_bytes_per_token), config.session_len)


def check_fitting(tokens: int, max_model_len: int) -> None:
    """Raises StartError where the cache holds fewer `tokens`."""
    if tokens < max_model_len:
        raise StartError(
            f"setting 'max_model_len': {max_model_len} tokens do not fit into LMDeploy's KV cache; "
            f"allowed is at most {tokens}, or raise gpu_memory_utilization"
        )
