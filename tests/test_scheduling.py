"""Tests that share a service run in one process, and those that start none are known."""

import pytest

from tests.quick import is_quick
from tests.scheduling import group
from tests.service_process import REPOSITORY


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/contract/test_chat.py::test_a[vllm-/generate]", "vllm"),
        (
            "tests/answers/test_demo_answers.py::test_b[None-vllm]",
            "tests/answers/test_demo_answers.py",
        ),
        ("tests/contract/test_echo_settings.py::test_c[0]", "tests/contract/test_echo_settings.py"),
        ("tests/quantization/test_checkpoints.py::test_d[awq]", "tests/quantization"),
        ("tests/common/test_errors.py::test_e[vllm]", "tests/common/test_errors.py"),
    ],
)
def test_it_stays_with_those_that_share_its_service(test: str, expected: str) -> None:
    assert group(test) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tests/text/test_stop_strings.py", True),
        ("tests/services/test_compiled.py", True),
        ("tests/contract/test_chat.py", False),
        ("tests/contract/test_echo_settings.py", False),
        ("tests/processes/test_guarded.py", False),
        ("tests/quantization/test_texts.py", False),
    ],
)
def test_those_to_run_while_editing_start_no_process(file: str, expected: bool) -> None:
    assert is_quick(REPOSITORY / file) is expected
