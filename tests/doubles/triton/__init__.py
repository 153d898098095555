"""TensorRT-LLM's Triton backend, where there is no GPU: in the real tritonserver, with the tensors,
defaults and errors of the C++ backend, and the demo model as its engine.

`bin/tritonserver` starts the server that the package nvidia-pytriton brings, with `backends/` for
its backends. `engine/` stands in for a compiled engine. Behaviour follows
triton_backend/inflight_batcher_llm/src and cpp/tensorrt_llm in NVIDIA/TensorRT-LLM, release 1.2.

DOUBLE_DIE_AFTER=n kills the whole server when n tokens were made.
"""
