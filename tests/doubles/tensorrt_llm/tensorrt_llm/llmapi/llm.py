"""LLM on PyTorch, and on a compiled engine."""

import json
from pathlib import Path
from typing import Any, ClassVar

from tests.doubles.generation import DemoGenerator

from ..executor import GenerationExecutorProxy
from ..executor.adapters import Adapters
from ..executor.result import RequestOutput
from ..sampling_params import SamplingParams
from .llm_args import TorchLlmArgs, TrtLlmArgs


def _eos_token_id(directory: Path) -> int:
    if not (directory / "tokenizer.json").is_file():
        raise OSError(f"Can't load tokenizer for '{directory}'")
    tokenizer = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    if tokenizer["tokenizer_class"] == "TokenizersBackend":
        raise ValueError("Tokenizer class TokenizersBackend does not exist")
    config = json.loads((directory / "config.json").read_text("utf-8"))
    return int(config["eos_token_id"])


class BaseLLM:
    """Everything but where the weights are."""

    _args_class: ClassVar[Any]

    def __init__(
        self,
        model: str | Path,
        tokenizer: Any = None,
        tokenizer_mode: str = "auto",
        skip_tokenizer_init: bool = False,
        trust_remote_code: bool = False,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        revision: str | None = None,
        tokenizer_revision: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._executor: GenerationExecutorProxy | None = None
        for key in kwargs:
            if key not in self._args_class.model_fields:
                raise ValueError(f"{type(self).__name__} got invalid argument: {key}")
        self.args = self._args_class(
            model=model,
            tokenizer=tokenizer,
            tokenizer_mode=tokenizer_mode,
            skip_tokenizer_init=skip_tokenizer_init,
            trust_remote_code=trust_remote_code,
            tensor_parallel_size=tensor_parallel_size,
            dtype=dtype,
            revision=revision,
            tokenizer_revision=tokenizer_revision,
            **kwargs,
        )
        self.eos_token_id: int | None = None
        if not skip_tokenizer_init:
            self.eos_token_id = _eos_token_id(Path(tokenizer or model))
        elif self.args.guided_decoding_backend is not None:
            raise ValueError("tokenizer is required for guided decoding")
        self._executor = self._build_model()

    def _build_model(self) -> GenerationExecutorProxy:
        raise NotImplementedError

    def generate_async(
        self,
        inputs: Any,
        sampling_params: SamplingParams | None = None,
        lora_request: Any = None,
        prompt_adapter_request: Any = None,
        streaming: bool = False,
        kv_cache_retention_config: Any = None,
        disaggregated_params: Any = None,
        _postproc_params: Any = None,
        scheduling_params: Any = None,
        cache_salt: str | None = None,
    ) -> RequestOutput:
        if self._executor is None or self._executor.is_shutdown():
            raise RuntimeError("LLM is shutting down")
        params = SamplingParams() if sampling_params is None else sampling_params
        if not isinstance(params, SamplingParams):
            raise TypeError(
                f"The sampling_params must be type SamplingParams or None, but got {type(params)}"
            )
        if params.end_id is None:
            if self.eos_token_id is None:
                raise ValueError("tokenizer is required to reset end_id if it is None")
            params.end_id = params.pad_id = self.eos_token_id
        ids = inputs["prompt_token_ids"] if isinstance(inputs, dict) else inputs
        if not isinstance(ids, list):
            raise TypeError(f"The inputs must be type str or list of int, but got {type(inputs)}")
        self._check_arguments(len(ids), params)
        return self._executor.submit(ids, params, lora_request)

    def _check_arguments(self, prompt_len: int, params: SamplingParams) -> None:
        raise NotImplementedError

    def shutdown(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None


class LLM(BaseLLM):
    """On PyTorch; the sampler heeds all fields only when it is the C++ one."""

    _args_class = TorchLlmArgs

    def _build_model(self) -> GenerationExecutorProxy:
        if not (Path(self.args.model) / "model.safetensors").is_file():
            raise ValueError(f"{self.args.model} has no weights")
        config = json.loads((Path(self.args.model) / "config.json").read_text("utf-8"))
        # Whatever `dtype` says.
        self.torch_dtype = config.get("torch_dtype") or "bfloat16"
        generator = DemoGenerator(Path(self.args.model))
        return GenerationExecutorProxy(
            generator,
            cpp=self.args.sampler_type == "TRTLLMSampler",
            max_seq_len=self.args.max_seq_len or generator.context,
            guided=self.args.guided_decoding_backend is not None,
            adapters=None
            if self.args.lora_config is None
            else Adapters(Path(self.args.model), self.args.lora_config),
        )

    def _check_arguments(self, prompt_len: int, params: SamplingParams) -> None:
        limit = self.args.max_num_tokens
        if not self.args.enable_chunked_prefill and limit and prompt_len > limit:
            raise ValueError(
                f"The sum of prompt length ({prompt_len}), query length (0) should not exceed "
                f"max_num_tokens ({limit})"
            )


class _TrtLLM(BaseLLM):
    """On an engine directory, whose rank0.engine names the demo model's directory here."""

    _args_class = TrtLlmArgs

    def _build_model(self) -> GenerationExecutorProxy:
        engine = Path(self.args.model)
        built = json.loads((engine / "config.json").read_text("utf-8"))["build_config"]
        self._max_seq_len = int(built["max_seq_len"])
        reuse = self.args.kv_cache_config.enable_block_reuse
        if reuse and not built["plugin_config"]["use_paged_context_fmha"]:
            raise RuntimeError("KV cache reuse requires paged context FMHA")
        model = Path((engine / "rank0.engine").read_text("utf-8"))
        if not model.is_dir():
            cause = "[TensorRT-LLM][ERROR] Assertion failed: Failed to deserialize cuda engine."
            raise RuntimeError("Executor worker returned error") from RuntimeError(cause)
        return GenerationExecutorProxy(
            DemoGenerator(model),
            cpp=True,
            max_seq_len=self._max_seq_len,
            guided=self.args.guided_decoding_backend is not None,
        )

    def _check_arguments(self, prompt_len: int, params: SamplingParams) -> None:
        if self.args.enable_chunked_prefill:
            return
        if prompt_len + params.max_tokens > self._max_seq_len:
            raise ValueError(
                f"The sum of prompt length ({prompt_len}) and query length (0) max_tokens "
                f"({params.max_tokens}) should not exceed max_seq_len ({self._max_seq_len})"
            )
