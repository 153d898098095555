"""How a request of `vllm bench serve` ended, by the text that the tool kept of its error."""

from http import HTTPStatus

from benchmarks.results.schema import Outcome

NO_CHUNK = "Never received a valid chunk"
SHOWN = 300
"""Characters of an error's text."""
RAISED = {
    "ClientConnector": Outcome.UNREACHABLE,
    "Timeout": Outcome.TIMEOUT,
    "JSONDecodeError": Outcome.IN_BAND_ERROR,
    "KeyError": Outcome.IN_BAND_ERROR,
    "IndexError": Outcome.IN_BAND_ERROR,
    "TypeError": Outcome.IN_BAND_ERROR,
    "ClientPayloadError": Outcome.CUT,
}
"""By what the exception's name has in it: what the tool cannot read is no chunk of an answer."""
STATUSES = {status.phrase: status.value for status in HTTPStatus}


def outcome(error: str, *, any_chunk: bool) -> tuple[Outcome, int | None, str | None]:
    """With the status and the text in one line. Its errors are a traceback, or the reason phrase
    of a response that was not 200, or the sentence of an answer without a chunk."""
    if not error:
        return (Outcome.OK, 200, None) if any_chunk else (Outcome.CUT, 200, "no chunk came")
    said = " ".join(error.strip().splitlines()[-1].split())[:SHOWN]
    if error.startswith(NO_CHUNK):
        return Outcome.CUT, 200, said
    if not error.startswith("Traceback"):
        return Outcome.HTTP_ERROR, STATUSES.get(error), said
    raised = said.partition(":")[0].rpartition(".")[2]
    for name, ended in RAISED.items():
        if name in raised:
            return ended, None, said
    return Outcome.CUT if any_chunk else Outcome.UNREACHABLE, None, said
