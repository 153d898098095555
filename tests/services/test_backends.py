"""What each engine class says of itself: names that exist, sentences, and the README's table."""

import re
import tomllib
from typing import Any

import pytest

from common.engine import Engine
from common.errors import StartError
from common.serving.capabilities import NEUTRAL
from common.settings import Settings
from services import __main__ as listing
from services._backends import load
from services._proofs import read_proofs
from tests.conftest import BACKENDS
from tests.service_process import REPOSITORY, loads_weights, package_name, service_name

EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
ENGINES = {backend: load(backend)[1] for backend in BACKENDS}
ADAPTERS: dict[str, Any] = {
    "adapters": {"mine": "org/name"},
    "adapter_loading": ["/adapters"],
    "max_adapters": 2,
    "max_adapter_rank": 8,
}
CHANGED: dict[str, Any] = {
    "chunked_prefill": False,
    "data_parallel_size": 2,
    "dtype": "float16",
    "engine_args": {"a": 1},
    "engine_dir": "compiled",
    "engine_url": "http://localhost:1",
    "expert_parallel": True,
    "gpu_memory_utilization": 0.5,
    "kv_cache_dtype": "fp8",
    "kv_cache_gib": 2,
    "kv_offload": 2,
    "pipeline_parallel_size": 2,
    "prefix_caching": False,
    "quantization": "awq",
    "revision": "main",
    "seed": 1,
    "speculative": "ngram:4",
    "start_timeout": 5,
    "tensor_parallel_size": 2,
    "trust_remote_code": True,
}
SPECULATIVE: dict[str, str] = {
    "ngram": "ngram:4",
    "draft": "draft:org/small:4",
    "eagle": "eagle:org/head:4",
    "eagle3": "eagle3:org/head:4",
    "mtp": "mtp:1",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_engine_is_named_like_its_module_and_says_what_it_is(backend: str) -> None:
    engine = ENGINES[backend]
    assert engine.name == backend
    assert engine.package == package_name(backend)
    assert engine.loads_weights == loads_weights(backend)
    assert engine.title
    assert engine.interface
    assert engine.tested.cpu or engine.tested.contract or read_proofs(backend)
    assert load(backend)[0] == f"services.{backend}:{service_name(backend)}"


def pinned(backend: str) -> dict[str, str]:
    """What the extra pins: package, as its module is named -> release."""
    pins = [re.split(r"\[.*\]|==", pin) for pin in EXTRAS[backend] if "==" in pin]
    return {pin[0].replace("-", "_"): pin[-1] for pin in pins}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_extra_pins_the_release_that_the_adapter_is_written_for(backend: str) -> None:
    """A client's release is not that of its server."""
    engine = ENGINES[backend]
    pin = pinned(backend).get(engine.package or "")
    if pin is not None and "client" not in str(engine.package):
        assert engine.release == pin


@pytest.mark.parametrize("backend", BACKENDS)
def test_gaps_are_request_fields_with_a_sentence(backend: str) -> None:
    for field, reason in ENGINES[backend].unsupported.items():
        assert field in NEUTRAL
        assert len(reason.split()) >= 4, reason
        assert reason[-1] != "."


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_setting_without_effect_stops_the_start_with_its_reason(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ENGINES[backend]
    monkeypatch.setattr(engine, "package", None)
    for key, reason in engine.unsupported_settings.items():
        name, _, method = key.partition("=")
        value = SPECULATIVE[method] if method else {**CHANGED, **ADAPTERS}[name]
        with pytest.raises(StartError) as refused:
            Engine.check.__func__(engine, Settings(**{name: value}))  # type: ignore[attr-defined]
        assert repr(name) in str(refused.value)
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_other_setting_of_an_engine_is_read_by_its_adapter(backend: str) -> None:
    """A setting that is neither declared nor even mentioned would be silently ignored."""
    patterns = [f"{backend}.py", f"_{backend}/*.py", f"_{backend}/quantization.toml"]
    if backend in ("mlc", "tensorrt_llm", "triton"):
        patterns.append("_compiled/*.py")
    if backend == "ray_serve":
        patterns.append("_vllm/arguments.py")
    sources = "".join(
        file.read_text("utf-8")
        for pattern in patterns
        for file in (REPOSITORY / "services").glob(pattern)
    )
    for name in CHANGED.keys() - ENGINES[backend].unsupported_settings.keys() - {"revision"}:
        assert re.search(rf"\b{name}\b", sources), f"{name} is neither used nor declared"


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_engine_has_adapters_and_their_loading_or_refuses_the_settings(backend: str) -> None:
    engine, refused = ENGINES[backend], ENGINES[backend].unsupported_settings
    own = {"load_adapter", "unload_adapter"} & vars(engine).keys()
    assert own == (set() if "adapter_loading" in refused else {"load_adapter", "unload_adapter"})
    if "adapters" in refused:
        assert ADAPTERS.keys() <= refused.keys()
    folder = REPOSITORY / "services"
    files = [folder / f"{backend}.py", *folder.glob(f"_{backend}/*.py")]
    source = "".join(file.read_text("utf-8") for file in files)
    assert ("request.adapter" in source) == ("adapters" not in refused)


def test_a_missing_engine_is_one_line_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, engine in ENGINES.items():
        if engine.package is None:
            continue
        monkeypatch.setattr(engine, "package", "no_such_engine")
        with pytest.raises(StartError) as refused:
            engine.check(Settings())
        assert f"install the extra {backend!r}" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_readme_has_the_table_that_the_classes_make() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    table = listing.TABLE.search(readme)
    assert table is not None
    assert table[0].strip() == listing.markdown(list(ENGINES.values())), (
        "run: python -m services --write"
    )


def test_the_page_on_parallel_settings_has_the_table_that_the_classes_make() -> None:
    table = listing.TABLE.search(listing.PARALLEL.read_text("utf-8"))
    assert table is not None
    assert table[0].strip() == listing.parallel_markdown(list(ENGINES.values())), (
        "run: python -m services --write"
    )


def test_the_list_names_every_backend_and_what_it_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing.main([])
    printed = capsys.readouterr().out
    assert all(f"services.{b}:{service_name(b)}" in printed for b in BACKENDS)
    listing.main(["--gaps"])
    printed = capsys.readouterr().out
    for backend, engine in ENGINES.items():
        assert printed.count(f"{backend}: ") >= len(engine.unsupported)
