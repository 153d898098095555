"""Quantizes with AutoAWQ, in its GEMM format; run by its own interpreter."""

import warnings

from build_scripts.quantize.progress import print_lines
from build_scripts.quantize.tool import device_map, read_job
from common.models.portable import complete

PARALLEL = 8
"""Blocks that go through a layer at once."""


def main() -> None:
    job = read_job("build_scripts.quantize.with_autoawq")
    print_lines()
    import torch

    # At its import it tells at length that it is no longer maintained.
    warnings.simplefilter("ignore", DeprecationWarning)
    from awq import AutoAWQForCausalLM

    model = AutoAWQForCausalLM.from_pretrained(
        str(job.source),
        torch_dtype=torch.float16,
        device_map=device_map(),
        trust_remote_code=job.trust_remote_code,
        safetensors=any(job.source.glob("*.safetensors")),
    )
    model.quantize(
        quant_config={
            "zero_point": True,
            "q_group_size": job.group_size,
            "w_bit": 4,
            "version": "GEMM",
        },
        # Blocks of exactly the length that it works with: it skips longer ones without a word.
        calib_data=[list(block) for block in job.calibration],
        max_calib_samples=len(job.calibration),
        max_calib_seq_len=len(job.calibration[0]),
        n_parallel_calib_samples=PARALLEL,
    )
    model.save_quantized(str(job.output))
    complete(job.source, job.output, dtype="float16")


if __name__ == "__main__":
    main()
