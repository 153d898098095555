"""The packages' own checks take what the adapters send, and refuse what is wrong."""

from tests.real_packages.environment import answer
from tests.real_packages.samplings import SAMPLINGS


def test_the_package_refuses_what_is_wrong_and_nothing_that_is_sent() -> None:
    errors = answer("tgi_parameters.py")
    assert {name: error for name, error in errors["sent"].items() if error} == {}
    assert len(errors["sent"]) >= len(SAMPLINGS)
    assert all(errors["wrong"].values()), errors["wrong"]
