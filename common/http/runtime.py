"""The parts that serve requests once the model is known: built at start, used by the handlers."""

from dataclasses import dataclass

from common.engine import Engine
from common.errors import ModelNotFound
from common.http.parameters import Parameters
from common.http.schemas import GenerateBody
from common.models.model import Model
from common.serving.admission import Admission
from common.serving.capabilities import Capabilities, default_values
from common.serving.generations import Generations
from common.serving.job import Job
from common.serving.lifecycle import Lifecycle
from common.serving.metrics import Metrics
from common.serving.pipeline import Pipeline
from common.settings import Settings
from common.text.chat_template import load_chat_template
from common.text.prompts import NO_TEMPLATE, Prompts
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import detect_format
from common.text.vocabulary import open_vocabulary

NO_TOOLS = "the model's chat template knows no tools"
NO_FORCED_TOOLS = "a forced call needs response_format, which this backend lacks"


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
    metrics: Metrics
    tool_format: str | None

    def check_model(self, name: str | None) -> None:
        """Raises ModelNotFound for any name but the served one."""
        if name not in (None, "default", self.model.served_name):
            raise ModelNotFound(
                f"no model of that name is served here; allowed is {self.model.served_name!r}",
                param="model",
            )

    async def generate_job(self, request_id: str, body: GenerateBody) -> Job:
        """Returns the work that a body of /generate asks for. Raises RequestError."""
        ids = await self.prompts.from_prompt(body.prompt, body.system_prompt)
        sampling = self.parameters.sampling(body, [ids], max_tokens=body.max_tokens)
        return Job(request_id, [ids], sampling, stops=body.stop or ())


def build_runtime(
    settings: Settings, model: Model, engine: Engine, lifecycle: Lifecycle, generations: Generations
) -> Runtime:
    """Raises StartError for a tokenizer, vocabulary or chat template that cannot be used."""
    tokenizer = Tokenizer(model.path)
    template = load_chat_template(model.path, tokenizer, settings.chat_template)
    tool_format: str | None = None
    if template is not None and settings.tool_format != "none":
        given = settings.tool_format
        tool_format = detect_format(template.source) if given == "auto" else given
    unsupported = _gaps(engine, has_template=template is not None, tool_format=tool_format)
    capabilities = Capabilities(engine.name, unsupported)
    admission = Admission(settings.max_concurrency, settings.max_queue, settings.queue_timeout)
    metrics = Metrics((engine.name, model.served_name, engine.quantization))
    metrics.add_readings(admission, lifecycle)
    return Runtime(
        settings=settings,
        model=model,
        engine=engine,
        tokenizer=tokenizer,
        prompts=Prompts(tokenizer, template, settings.system_prompt, model.max_model_len),
        capabilities=capabilities,
        parameters=Parameters(
            capabilities,
            default_values(engine),
            model.end_token_ids,
            model.max_model_len,
            open_vocabulary(model, tokenizer),
        ),
        pipeline=Pipeline(
            engine, tokenizer, admission, lifecycle, metrics, settings.first_token_timeout
        ),
        generations=generations,
        metrics=metrics,
        tool_format=tool_format,
    )


def _gaps(engine: Engine, *, has_template: bool, tool_format: str | None) -> dict[str, str]:
    """Returns the gaps of the engine and those that come from the model, each with its reason."""
    gaps = dict(engine.gaps())
    if not has_template:
        gaps["chat_template_kwargs"] = NO_TEMPLATE
    if tool_format is None:
        gaps["tools"] = gaps["tool_choice"] = NO_TOOLS
    elif "response_format" in gaps:
        gaps["tool_choice"] = NO_FORCED_TOOLS
    return gaps
