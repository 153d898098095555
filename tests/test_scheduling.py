"""Tests that share a service run in one process."""

import pytest

from tests.scheduling import group


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/contract/test_chat.py::test_a[vllm-/generate]", "vllm"),
        ("tests/answers/test_demo_answers.py::test_b[None-ray_serve]", "ray_serve"),
        ("tests/contract/test_echo_settings.py::test_c[0]", "tests/contract/test_echo_settings.py"),
        ("tests/quantization/test_checkpoints.py::test_d[awq]", "tests/quantization"),
        ("tests/common/test_errors.py::test_e[vllm]", "tests/common/test_errors.py"),
    ],
)
def test_it_stays_with_those_that_share_its_service(test: str, expected: str) -> None:
    assert group(test) == expected
