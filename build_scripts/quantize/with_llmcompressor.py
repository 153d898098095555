"""Quantizes with llm-compressor; run by its own interpreter."""

from typing import Any

from build_scripts.quantize.progress import print_lines
from build_scripts.quantize.schemes import HEAD, ROUTERS, SCHEMES
from build_scripts.quantize.tool import QuantizationJob, device_map, read_job
from common.models.portable import complete

BATCH = 8


def main() -> None:
    job = read_job("build_scripts.quantize.with_llmcompressor")
    print_lines()
    import torch
    from llmcompressor import oneshot
    from transformers import AutoModelForCausalLM

    _spare_pinning(torch)
    model = AutoModelForCausalLM.from_pretrained(
        job.source, dtype="auto", device_map=device_map(), trust_remote_code=job.trust_remote_code
    )
    data = {"dataset": _batches(job, torch)} if SCHEMES[job.scheme].calibrated else {}
    # The texts are tokens already. Left out, it would load a tokenizer, or fail at that.
    oneshot(model=model, processor=object(), recipe=_recipe(job, model, torch), **data)
    model.save_pretrained(job.output, save_compressed=True)
    complete(job.source, job.output)


def _spare_pinning(torch: Any) -> None:
    """llm-compressor pins memory for the transfer to an accelerator, and fails without one."""
    from llmcompressor.pipelines.cache import IntermediatesCache

    if not torch.accelerator.is_available():
        IntermediatesCache.pin_memory = lambda *args, **kwargs: None


def _batches(job: QuantizationJob, torch: Any) -> Any:
    blocks = torch.tensor(job.calibration)
    batches = [{"input_ids": batch} for batch in blocks.split(BATCH)]
    return torch.utils.data.DataLoader(batches, batch_size=None)


def _recipe(job: QuantizationJob, model: Any, torch: Any) -> list[Any]:
    from compressed_tensors.quantization import preset_name_to_scheme
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    scheme = SCHEMES[job.scheme]
    preset = preset_name_to_scheme(scheme.preset, ["Linear"])
    if scheme.grouped:
        preset.weights.group_size = job.group_size
    plain = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in (HEAD, *ROUTERS)
    ]
    values = {"config_groups": {"group_0": preset}, "ignore": plain}
    if job.scheme == "awq":
        return [AWQModifier(), QuantizationModifier(**values)]
    return [GPTQModifier(**values) if scheme.calibrated else QuantizationModifier(**values)]


if __name__ == "__main__":
    main()
