"""What happens beside the load: GPUs, processes and /metrics, on the time axis of the run."""

from benchmarks.samples.sampler import Sampler

__all__ = ["Sampler"]
