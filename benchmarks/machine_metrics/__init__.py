"""What happens beside the load: GPUs, processes and /metrics, on the time axis of the run."""

from benchmarks.machine_metrics.sampler import Sampler

__all__ = ["Sampler"]
