"""Tests that share a service run in one process, and those that start none are known."""

import pytest

from tests.quick import is_quick
from tests.scheduling import BACKENDS, LONGEST, group, turn
from tests.service_process import REPOSITORY


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/contract/test_chat.py::test_a[vllm-/generate]", "vllm"),
        ("tests/clients/test_clients.py::test_a[vllm-LangChain-tools]", "vllm"),
        (
            "tests/answers/test_demo_answers.py::test_b[None-vllm]",
            "tests/answers",
        ),
        ("tests/contract/test_echo_settings.py::test_c[0]", "tests/contract"),
        ("tests/ray_serve/test_processes.py::test_a[ray_serve]", "ray_serve"),
        ("tests/processes/test_engine_processes.py::test_b[vllm]", "vllm"),
        ("tests/processes/test_engine_processes.py::test_c", "tests/processes"),
        ("tests/quantization/test_checkpoints.py::test_d[awq]", "tests/quantization"),
        ("tests/common/test_errors.py::test_e[vllm]", "tests/common/test_errors.py"),
    ],
)
def test_it_stays_with_those_that_share_its_service(test: str, expected: str) -> None:
    assert group(test) == expected


def test_the_longest_groups_come_first() -> None:
    first, last = "tests/quantization/test_texts.py::test_a", "tests/common/test_errors.py::test_b"
    assert turn(first) < turn("tests/contract/test_chat.py::test_c[vllm]") < turn(last)
    assert all(name in BACKENDS or (REPOSITORY / name).exists() for name in LONGEST)


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
