"""A plan in words, with what to set on each platform."""

import json
from collections.abc import Iterator, Mapping
from shlex import quote

from benchmarks.sizing.plan import Plan
from services._backends import backends

BACKEND = "BACKEND"
"""Stands for the backend of an endpoint that did not say which one it has."""


def plan_text(plan: Plan) -> str:
    return "\n".join((plan.configuration.title, *(f"  {line}" for line in _lines(plan))))


def _lines(plan: Plan) -> Iterator[str]:
    configuration, capacity = plan.configuration, plan.capacity
    if capacity is not None and plan.replicas is not None:
        yield (
            f"one replica bears {capacity.users} users, {capacity.tokens_per_second:.0f} tokens "
            f"per second, with prompts of {configuration.prompt_tokens:.0f} and answers of "
            f"{configuration.answer_tokens:.0f} tokens"
        )
        yield _size(plan)
        yield from _platforms(plan, plan.replicas, capacity.users)
    for gap in plan.gaps:
        yield f"not covered: {gap}"


def _size(plan: Plan) -> str:
    words = [f"replicas: {plan.replicas}"]
    if plan.gpus:
        words.append(f"GPUs: {plan.gpus}")
    if plan.cost_per_hour is not None:
        words.append(f"cost: {plan.cost_per_hour:.2f} per hour")
    return ", ".join(words)


def _platforms(plan: Plan, replicas: int, users: int) -> Iterator[str]:
    """Yields the settings; a replica takes as many answers at once as it was shown to bear."""
    subject, gpus = plan.configuration.subject, plan.configuration.gpus
    backend = next(filter(backends().__contains__, (subject.engine, subject.backend)), BACKEND)
    settings = {**subject.settings, "max_concurrency": users}
    words = [f"--arg {quote(f'{name}={value}')}" for name, value in settings.items()]
    yield (
        f"BentoCloud: scripts/deploy {backend} {' '.join(words)} "
        f"--set scaling.min_replicas={replicas} --set scaling.max_replicas={replicas}"
    )
    values = {"replicas": replicas, **({"gpus": gpus} if gpus else {}), "settings": settings}
    yield f"Kubernetes, values of the chart: {json.dumps(values)}"
    if backend == "ray_serve":
        yield _ray_serve(settings, replicas, users)
    if subject.runs_before is None:
        yield (
            "add the model and the other settings to these commands: the runs do not say with "
            "which ones their service was started"
        )


def _ray_serve(settings: Mapping[str, object], replicas: int, users: int) -> str:
    """Returns the variables of the one service, whose app has all replicas."""
    given = json.loads(str(settings.get("engine_args", "{}")))
    deployment = {**given.get("deployment_config", {}), "max_ongoing_requests": users}
    arguments = {**given, "num_replicas": replicas, "deployment_config": deployment}
    variables = {
        **settings,
        "max_concurrency": users * replicas,
        "engine_args": json.dumps(arguments),
    }
    words = [f"{name.upper()}={quote(str(value))}" for name, value in variables.items()]
    return f"Ray Serve: {' '.join(words)} scripts/serve ray_serve"
