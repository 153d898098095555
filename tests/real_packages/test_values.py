"""The packages' own checks take what the adapters send, and refuse what is wrong."""

import pytest

from tests.real_packages.environment import answer, run
from tests.real_packages.samplings import SAMPLINGS


@pytest.mark.parametrize("script", ["sglang_sampling.py", "tgi_parameters.py"])
def test_the_package_refuses_what_is_wrong_and_nothing_that_is_sent(script: str) -> None:
    errors = answer(script)
    assert {name: error for name, error in errors["sent"].items() if error} == {}
    assert len(errors["sent"]) >= len(SAMPLINGS)
    assert all(errors["wrong"].values()), errors["wrong"]


@pytest.mark.parametrize("part", ["async_engine", "streams", "request", "config"])
def test_lmdeploy_itself_passes_the_tests_of_its_adapter(part: str) -> None:
    """Its own Python code, from sessions to stop tokens; only its two engines are doubles."""
    printed = run(
        "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-o", "addopts=", "-W", "ignore",
        f"tests/lmdeploy/test_{part}.py", LMDEPLOY_ITSELF="1",
    )  # fmt: skip
    summary = printed.splitlines()[-1]
    assert " passed" in summary
    assert " skipped" not in summary
