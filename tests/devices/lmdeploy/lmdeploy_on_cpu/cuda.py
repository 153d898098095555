"""`torch.cuda` answers for the CPU, and what is asked of the device "cuda" is done there.

LMDeploy writes "cuda" for every make of GPU and expects an integration to patch that
(lmdeploy/pytorch/cache_engine/engine.py says so), as torch_npu does for Ascend's.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

TOTAL = 1 << 30
FREE = TOTAL // 2
"""Bytes: of what is free LMDeploy fills its share with its KV cache, which takes time."""
FACTORIES = (
    *("arange", "as_tensor", "empty", "empty_like", "empty_strided", "eye", "full", "full_like"),
    *("linspace", "ones", "ones_like", "rand", "rand_like", "randint", "randn", "randn_like"),
    *("randperm", "tensor", "zeros", "zeros_like"),
)
METHODS = ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros", "to")


def nothing(*_: Any, **__: Any) -> None:
    """All work is done when it is asked for, so nothing waits."""


class Stream:
    cuda_stream = 0
    __init__ = synchronize = wait_stream = wait_event = record_event = nothing

    def query(self) -> bool:
        return True


class Event:
    __init__ = record = wait = synchronize = nothing
    query = Stream.query


class Properties:
    """Of an A100, as far as LMDeploy asks."""

    name = "CPU"
    major, minor = 8, 0
    total_memory = TOTAL
    multi_processor_count = 1
    warp_size = 32


def on_cpu(device: Any) -> Any:
    """A number is a device of CUDA as well."""
    return "cpu" if str(device).startswith("cuda") or type(device) is int else device


def moved(torch: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function` for the CPU, where pinned memory has no use."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        arguments = tuple(
            on_cpu(value) if isinstance(value, str | torch.device) else value for value in arguments
        )
        if "device" in named:
            named["device"] = on_cpu(named["device"])
        named.pop("pin_memory", None)
        return function(*arguments, **named)

    return call


def install(torch: Any) -> None:
    """Called when torch has been imported. Each answer is a function of its own: torch._dynamo
    takes none under two names."""
    stream = Stream()
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_properties": lambda *_: Properties,
        "get_device_capability": lambda *_: (Properties.major, Properties.minor),
        "get_device_name": lambda *_: Properties.name,
        "mem_get_info": lambda *_: (FREE, TOTAL),
        "is_bf16_supported": lambda *_, **__: True,
        "current_stream": lambda *_: stream,
        "Stream": Stream,
        "Event": Event,
        "set_device": lambda *_: None,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "stream": lambda *_: contextlib.nullcontext(),
        "device": lambda *_: contextlib.nullcontext(),
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    torch._C._cuda_clearCublasWorkspaces = lambda: None
    for name in FACTORIES:
        setattr(torch, name, moved(torch, getattr(torch, name)))
    for name in METHODS:
        setattr(torch.Tensor, name, moved(torch, getattr(torch.Tensor, name)))
    torch.nn.Module.to = moved(torch, torch.nn.Module.to)
    torch.Tensor.cuda = torch.Tensor.pin_memory = lambda self, *_, **__: self
