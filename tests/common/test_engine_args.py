"""The names in `engine_args` are the engine's own, or refused with what is allowed."""

import pytest

from common.engine_args import check_engine_args
from common.errors import StartError

ALLOWED = ["max_num_seqs", "dtype"]


def refusal(*names: str, **more: object) -> str:
    with pytest.raises(StartError) as refused:
        check_engine_args(names, ALLOWED, "Some", **more)  # type: ignore[arg-type]
    return str(refused.value)


def test_known_names_pass() -> None:
    check_engine_args(ALLOWED, ALLOWED, "Some")


def test_the_error_of_an_unknown_name_has_the_nearest_one_and_all_that_are_allowed() -> None:
    assert refusal("dtype", "max_num_sequs") == (
        "setting 'engine_args': Some has no argument 'max_num_sequs'; "
        "did you mean 'max_num_seqs'? allowed are dtype, max_num_seqs"
    )


def test_the_error_of_a_name_like_no_other_says_where_the_allowed_ones_stand() -> None:
    assert refusal("xyz", source="the fields of Args").endswith(
        "no argument 'xyz'; allowed are the fields of Args"
    )


def test_a_name_that_the_service_sets_is_refused_with_the_reason() -> None:
    assert "'dtype' is not for you to set: use the setting 'dtype'" in refusal(
        "dtype", reserved={"dtype": "use the setting 'dtype'"}
    )
