"""The parts that serve requests once the model is known: built at start, used by the handlers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.call_grammar import CallGrammar
from common.engine import Engine
from common.errors import ModelNotFound, NotFound, UnsupportedParameter
from common.http.bodies import Bodies
from common.http.messages import ChatMessage, image_sources
from common.http.parameters import Parameters, has_wrapped_choice
from common.http.schemas import GenerateBody
from common.http.structure import StructureFields, requested_structure
from common.images.opening import IMAGES, NO_VISION, Vision
from common.models.adapters import Adapter
from common.models.model import Model, Task
from common.prompt_images import PromptImages
from common.serving.adapters import Adapters
from common.serving.admission import Admission
from common.serving.answer import Shown
from common.serving.capabilities import (
    EMBEDDING,
    NEUTRAL,
    OF_TEXTS,
    SHARED,
    Capabilities,
    default_values,
)
from common.serving.generations import Generations
from common.serving.job import Job
from common.serving.lifecycle import Lifecycle
from common.serving.metrics import Metrics
from common.serving.pipeline import Pipeline
from common.serving.queue_limit import QueueLimit
from common.settings import Settings
from common.text.chat import Chat
from common.text.chat_template import ChatTemplate
from common.text.prompts import NO_TEMPLATE, Prompts
from common.text.reasoning import Reasoning, detect_reasoning
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import FORMATS, detect_format
from common.text.vocabulary import open_vocabulary

GENERATES = "this service generates; another one, with the setting task=embed, can embed"
EMBEDS = "this service embeds, and generates no text"
ONE_SIZE = (
    "the model's config.json has neither matryoshka_dimensions nor is_matryoshka, so only whole "
    "vectors have a meaning"
)
NO_TOOLS = "the model's chat template knows no tools"
NO_FORCED_TOOLS = "a forced call needs response_format, which this backend lacks"
OTHER_REASONING = "the model's calls are found with its reasoning: the setting has to be reasoning"
NO_CALL_GRAMMAR = "there is no grammar of the calls that the model's chat template teaches"


@dataclass(frozen=True)
class Runtime:
    settings: Settings
    model: Model
    engine: Engine
    tokenizer: Tokenizer
    prompts: Prompts
    capabilities: Capabilities
    parameters: Parameters
    pipeline: Pipeline
    generations: Generations
    bodies: Bodies
    metrics: Metrics
    adapters: Adapters
    tool_format: str | None
    vision: Vision

    @property
    def reasoning_names(self) -> tuple[str, ...]:
        """The names that answers have reasoning by."""
        name = self.settings.reasoning_field
        return ("reasoning", "reasoning_content") if name == "both" else (name,)

    def unreasoned_form(
        self, body: StructureFields, calls: CallGrammar | None = None
    ) -> str | None:
        """Returns the field that asks for a form before which this engine lets nobody reason."""
        if self.engine.reasons_before_forms:
            return None
        structure = requested_structure(body)
        return "tool_choice" if calls is not None else structure and structure.param

    def check_task(self, task: Task, path: str) -> None:
        """Raises NotFound where the service does something else than the route."""
        if self.model.task != task:
            reason = GENERATES if task == "embed" else EMBEDS
            raise NotFound(f"{path} is not served with {self.model.served_name!r}: {reason}")

    def adapter(self, name: str | None) -> Adapter | None:
        """Returns the adapter of that name, None for the model's own name and for none.

        Raises ModelNotFound.
        """
        if not name or name in ("default", self.model.served_name):
            return None
        adapter = self.adapters.get(name)
        if adapter is None:
            names = ", ".join(map(repr, (self.model.served_name, *self.adapters.names)))
            raise ModelNotFound(
                f"no model of that name is served here; allowed is {names}", param="model"
            )
        return adapter

    def name(self, adapter: Adapter | None) -> str:
        """Returns the name of an adapter, or of the model where there is none."""
        return self.model.served_name if adapter is None else adapter.name

    def check_images(self, messages: Sequence[ChatMessage], *, cut: bool = False) -> None:
        """Raises UnsupportedParameter, which names the first image, where none are taken; also
        where the prompt is to be `cut`."""
        sources = image_sources(messages)
        if sources:
            self.capabilities.check(IMAGES, sources, sources[0].place)
        if sources and cut:
            raise UnsupportedParameter(
                "truncate_prompt_tokens is not supported beside images: it could cut one of them",
                param="truncate_prompt_tokens",
            )

    async def with_images(
        self,
        messages: Sequence[ChatMessage],
        text: str,
        ids: list[int],
        add_special_tokens: bool = False,
    ) -> tuple[list[int], PromptImages | None]:
        """Returns the ids of a conversation with all tokens of its images, and the images; `ids`
        are those of its rendered text, as they are where it has none.

        Raises RequestError.
        """
        sources, reader = image_sources(messages), self.vision.reader
        if reader is None or not sources:
            return ids, None
        return await reader.read(sources, text, ids, add_special_tokens=add_special_tokens)

    async def generate_job(self, request_id: str, body: GenerateBody) -> Job:
        """Returns the work that a body of /generate asks for. Raises RequestError."""
        adapter = self.adapter(body.model)
        ids, thinking = await self.prompts.from_prompt(
            body.prompt, body.system_prompt, self.unreasoned_form(body)
        )
        sampling = self.parameters.sampling(
            body, [ids], max_tokens=body.max_tokens, thinking=thinking
        )
        shown = Shown(
            json_value=has_wrapped_choice(body, sampling), reasoning=body.include_reasoning
        )
        return Job(
            request_id,
            [ids],
            sampling,
            stops=body.stop or (),
            shown=shown,
            thinking=thinking,
            adapter=adapter,
        )


def build_runtime(
    settings: Settings,
    chat: Chat,
    engine: Engine,
    lifecycle: Lifecycle,
    generations: Generations,
    vision: Vision = NO_VISION,
) -> Runtime:
    """Raises StartError for a vocabulary that cannot be used."""
    model, tokenizer, template = chat.model, chat.tokenizer, chat.template
    tool_format = _tool_format(settings, template)
    reasoning = _reasoning(settings, tokenizer, template)
    unsupported = _gaps(engine, has_template=template is not None, vision=vision)
    if model.task == "generate":
        unsupported |= _tool_gaps(unsupported, tool_format, reasoning)
    capabilities = Capabilities(engine.name, unsupported, engine.schemas)
    admission = _admission(settings)
    metrics = Metrics((engine.name, model.served_name, engine.quantization))
    metrics.add_readings(admission, lifecycle)
    adapters = Adapters(engine)
    return Runtime(
        settings=settings,
        model=model,
        engine=engine,
        tokenizer=tokenizer,
        prompts=Prompts(
            tokenizer, template, settings.system_prompt, model.max_model_len, reasoning
        ),
        capabilities=capabilities,
        parameters=Parameters(
            capabilities,
            default_values(engine),
            model.end_token_ids,
            model.max_model_len,
            open_vocabulary(model, tokenizer),
            engine.limits(),
            tokenizer,
        ),
        pipeline=Pipeline(engine, tokenizer, admission, lifecycle, metrics, adapters, settings),
        generations=generations,
        bodies=Bodies(settings),
        metrics=metrics,
        adapters=adapters,
        tool_format=tool_format,
        vision=vision,
    )


def _admission(settings: Settings) -> Admission:
    return Admission(
        settings.max_concurrency,
        settings.max_queue,
        settings.queue_timeout,
        settings.max_request_answers,
        limit=QueueLimit(settings.max_queue_wait, settings.standing_queue_wait),
    )


def _tool_format(settings: Settings, template: ChatTemplate | None) -> str | None:
    if template is None or settings.tool_format == "none":
        return None
    given = settings.tool_format
    return detect_format(template.source_with_tools) if given == "auto" else given


def _reasoning(
    settings: Settings, tokenizer: Tokenizer, template: ChatTemplate | None
) -> Reasoning | None:
    """Returns the format that the model reasons in; what has no conversations has none."""
    if template is None or settings.reasoning == "none":
        return None
    if settings.reasoning == "auto":
        return detect_reasoning(template.sources, tokenizer.added_tokens)
    return Reasoning(settings.reasoning)


def _gaps(engine: Engine, *, has_template: bool, vision: Vision) -> dict[str, str]:
    """Returns the gaps of the engine and those that come from the model, each with its reason."""
    if engine.model.task == "embed":
        gaps = dict.fromkeys({*NEUTRAL, *SHARED} - {*OF_TEXTS}, EMBEDS)
        return gaps if engine.model.embedding.dimensions != () else {**gaps, "dimensions": ONE_SIZE}
    gaps = {**engine.all_gaps(), **dict.fromkeys(EMBEDDING, GENERATES)}
    if not has_template:
        gaps["chat_template_kwargs"] = NO_TEMPLATE
    if vision.reader is None:
        gaps[IMAGES] = vision.gap
    return gaps


def _tool_gaps(
    gaps: Mapping[str, str], tool_format: str | None, reasoning: Reasoning | None
) -> dict[str, str]:
    """Returns those that come from the format of the model's calls."""
    if tool_format is None:
        return dict.fromkeys(("tools", "tool_choice"), NO_TOOLS)
    form = FORMATS[tool_format].form
    if form.reasoning is not None and (reasoning is None or reasoning.name != form.reasoning):
        return dict.fromkeys(("tools", "tool_choice"), f"{OTHER_REASONING} {form.reasoning!r}")
    if "response_format" in gaps:
        return {"tool_choice": NO_FORCED_TOOLS}
    return {} if form.can_be_forced else {"tool_choice": NO_CALL_GRAMMAR}
