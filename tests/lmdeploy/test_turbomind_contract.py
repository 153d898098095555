"""The contract suite's main parts again, over LMDeploy's other engine, which has a stand-in."""

import pytest

from tests.contract.test_batching import *  # noqa: F403
from tests.contract.test_cancellation import (
    test_a_client_that_does_not_read_holds_up_nobody,  # noqa: F401
    test_a_delete_before_the_first_byte_is_an_error_answer,  # noqa: F401
    test_a_delete_ends_a_stream_with_one_error_event,  # noqa: F401
    test_leaving_a_request_that_does_not_stream_ends_the_generation,  # noqa: F401
    test_leaving_ends_all_n_answers,  # noqa: F401
    test_leaving_in_the_middle_of_a_stream_ends_the_generation,  # noqa: F401
)
from tests.contract.test_capabilities import *  # noqa: F403
from tests.contract.test_ranges import *  # noqa: F403
from tests.service_process import Service


@pytest.fixture
def backend_service(turbomind: Service) -> Service:
    return turbomind
