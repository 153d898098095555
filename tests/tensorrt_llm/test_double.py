"""The double has the parameters, fields and defaults of the contract file, and no others."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from common.models.model import DEMO_MODEL

CONTRACT = Path(__file__).parents[1] / "doubles" / "contracts" / "trtllm.json"
OBJECTS: dict[str, Any] = json.loads(CONTRACT.read_text("utf-8"))["objects"]


def wanted(name: str, kind: str = "fields") -> dict[str, str | None]:
    return {entry["name"]: entry.get("default") for entry in OBJECTS[name][kind]}


def parameters(function: Any) -> dict[str, str | None]:
    found = list(inspect.signature(function).parameters.values())[1:]
    names = {p.name if p.kind is not p.VAR_KEYWORD else f"**{p.name}": p for p in found}
    return {n: None if p.default is p.empty else repr(p.default) for n, p in names.items()}


def model_fields(model: type[BaseModel]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, field in model.model_fields.items():
        if field.is_required():
            found[name] = None
        elif field.default_factory is not None:
            found[name] = f"{field.default_factory.__name__}()"
        else:
            found[name] = repr(field.default)
    return found


def test_calls_have_the_parameters_of_the_contract() -> None:
    from tensorrt_llm import LLM, _tensorrt_engine

    for llm in (LLM, _tensorrt_engine.LLM):
        assert parameters(llm.__init__) == wanted("LLM", "parameters")
        assert parameters(llm.generate_async) == wanted("LLM.generate_async", "parameters")
        assert parameters(llm.shutdown) == {}
        assert not inspect.iscoroutinefunction(llm.generate_async)


def test_parameters_of_a_request_have_the_fields_of_the_contract() -> None:
    from tensorrt_llm import SamplingParams
    from tensorrt_llm.llmapi import GuidedDecodingParams

    for double in (SamplingParams, GuidedDecodingParams):
        found = {field.name: repr(field.default) for field in dataclasses.fields(double)}
        assert found == wanted(double.__name__)
        with pytest.raises(TypeError):
            double(temperatur=1)


def test_arguments_have_the_fields_of_the_contract() -> None:
    from tensorrt_llm.llmapi import KvCacheConfig, SchedulerConfig, TorchLlmArgs, TrtLlmArgs

    base = wanted("BaseLlmArgs")
    assert model_fields(TorchLlmArgs) == base | wanted("TorchLlmArgs")
    assert model_fields(TrtLlmArgs) == base | wanted("TrtLlmArgs")
    assert model_fields(KvCacheConfig) == wanted("KvCacheConfig")
    assert model_fields(SchedulerConfig) == wanted("SchedulerConfig")


def test_results_have_the_attributes_of_the_contract() -> None:
    from tensorrt_llm.executor import CompletionOutput, RequestOutput

    output = CompletionOutput(0)
    for name in OBJECTS["CompletionOutput"]["attributes"]:
        assert hasattr(output, name)
    assert parameters(RequestOutput.abort) == {}


async def test_an_unknown_argument_or_a_bad_one_is_refused() -> None:
    from tensorrt_llm import LLM
    from tensorrt_llm.llmapi import KvCacheConfig

    with pytest.raises(ValueError, match="LLM got invalid argument: max_num_seqs"):
        LLM(model=str(DEMO_MODEL), max_num_seqs=4)
    with pytest.raises(ValidationError):
        LLM(model=str(DEMO_MODEL), sampler_type="Fast")
    with pytest.raises(ValidationError):
        KvCacheConfig(fraction=0.5)


async def test_left_alone_it_gives_32_greedy_tokens_in_one_object_and_needs_a_loop() -> None:
    from tensorrt_llm import LLM, SamplingParams

    llm = LLM(model=str(DEMO_MODEL))
    try:
        result = llm.generate_async([40, 50, 60], SamplingParams(end_id=-1), streaming=True)
        seen = [(item, list(item.outputs[0].token_ids_diff)) async for item in result]
        assert all(item is result for item, _ in seen)
        assert [token for _, diff in seen for token in diff] == result.outputs[0].token_ids
        assert result.outputs[0].length == 32
        assert result.outputs[0].finish_reason == "length"
        with pytest.raises(ValueError, match="should not exceed max_num_tokens"):
            llm.generate_async([5] * 8193)
    finally:
        llm.shutdown()
    with pytest.raises(RuntimeError, match="LLM is shutting down"):
        llm.generate_async([5])


async def test_the_torch_sampler_ignores_what_the_other_honours() -> None:
    from tensorrt_llm import LLM, SamplingParams

    fields = {"end_id": -1, "temperature": 2.0, "max_tokens": 12}
    for sampler, honoured in (("auto", False), ("TorchSampler", False), ("TRTLLMSampler", True)):
        llm = LLM(model=str(DEMO_MODEL), sampler_type=sampler)
        try:
            answers = [(await one(llm, SamplingParams(**fields, seed=3))) for _ in range(2)]
            assert (answers[0] == answers[1]) is honoured
            plain, fresh = [
                await one(llm, SamplingParams(end_id=-1, max_tokens=40, frequency_penalty=value))
                for value in (0.0, 2.0)
            ]
            assert (plain != fresh) is honoured
        finally:
            llm.shutdown()


async def one(llm: Any, params: Any) -> list[int]:
    result = llm.generate_async([40, 50, 60], params, streaming=True)
    async for _ in result:
        pass
    found: list[int] = result.outputs[0].token_ids
    return found


async def test_it_leaves_out_the_end_token_only_when_the_sampler_is_the_cpp_one() -> None:
    from tensorrt_llm import LLM, SamplingParams

    first: dict[str, list[int]] = {}
    for sampler in ("TorchSampler", "TRTLLMSampler"):
        llm = LLM(model=str(DEMO_MODEL), sampler_type=sampler)
        try:
            whole = await one(llm, SamplingParams(end_id=-1, max_tokens=4))
            first[sampler] = await one(llm, SamplingParams(end_id=whole[2], max_tokens=4))
            stopped = SamplingParams(end_id=-1, stop_token_ids=[whole[2]], max_tokens=4)
            assert await one(llm, stopped) == whole[:2]
            stopped.include_stop_str_in_output = True
            assert await one(llm, stopped) == whole[:3]
        finally:
            llm.shutdown()
    assert first == {"TorchSampler": whole[:3], "TRTLLMSampler": whole[:2]}


async def test_leaving_a_loop_over_a_result_aborts_nothing_and_abort_ends_it() -> None:
    from tensorrt_llm import LLM, SamplingParams

    llm = LLM(model=str(DEMO_MODEL))
    generator = llm._executor.generator
    try:
        result = llm.generate_async([5], SamplingParams(end_id=-1, max_tokens=3000), streaming=True)
        async for _ in result:
            break
        assert generator.running == 1
        result.abort()
        assert generator.running == 0
        async for _ in result:
            pass
        assert result.outputs[0].finish_reason == "cancelled"
    finally:
        llm.shutdown()
