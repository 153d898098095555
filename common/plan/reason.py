"""Why a plan is taken, in a sentence."""

from common.plan.choice import SchemeChoice
from common.plan.inputs import PlanInputs
from common.plan.sizes import Sizes

GIB = 2**30
MIB = 2**20


def gib(size: int) -> str:
    """Returns a size in GiB, a small one in MiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / MIB:.1f} MiB"


def reason(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes) -> str:
    """Says why this plan is taken, in one sentence."""
    how = _how(choice)
    what = f"{how}: {gib(sizes.weights)} of weights"
    what += _divided(inputs, sizes)
    if sizes.room is None:
        return f"{what}; the memory of {inputs.device.name} is not known, so the fit is not judged"
    tokens = sizes.room // sizes.token_bytes
    return (
        f"{what} fit on {inputs.device.name}, beside them {gib(sizes.room)} of KV cache for "
        f"{tokens} tokens in {sizes.kv_dtype}{_beside(inputs, sizes)}"
    )


def _divided(inputs: PlanInputs, sizes: Sizes) -> str:
    """Says where the weights of one copy are, and which of them draft tokens."""
    options, what = inputs.options, ""
    gpus, stages = options.tensor_parallel_size, options.pipeline_parallel_size
    if gpus * stages > 1:
        what += f", {gib(sizes.device_weights)} on each of {gpus * stages}"
    if stages > 1:
        what += f" (at most: each of {stages} stages has a part of the layers)"
    if options.expert_parallel:
        what += f" (each with whole experts of the {inputs.facts.config.experts})"
    if sizes.drafts:
        who = "the mtp layers" if inputs.draft is None else inputs.draft.name
        what += f", {gib(sizes.drafts)} of them in {who} to draft tokens,"
    return what


def _beside(inputs: PlanInputs, sizes: Sizes) -> str:
    """Says what there is beside one copy of the model."""
    options, what = inputs.options, ""
    if options.data_parallel_size > 1:
        what += f", and so in each of {options.data_parallel_size} copies"
    if options.speculative is not None:
        what += f"; logits for {options.speculative.tokens} drafted tokens of each answer are aside"
    if options.adapter_slots:
        what += f"; {gib(sizes.adapters)} for {options.adapter_slots} adapters are aside"
    if options.kv_offload is not None:
        what += f"; {options.kv_offload:g} GiB of the machine's memory for what leaves that cache"
    return what


def _how(choice: SchemeChoice) -> str:
    if choice.built is not None:
        return f"{choice.scheme}, the checkpoint {choice.built.tag} built from this model"
    if choice.stored:
        return f"{choice.scheme}, as the checkpoint is ({choice.facts.quantization})"
    if choice.scheme == "none":
        return "unquantized"
    return f"{choice.scheme}, {'compiled' if choice.row.how == 'build' else 'made while loading'}"
