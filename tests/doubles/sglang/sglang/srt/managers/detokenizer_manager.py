"""The detokenizer process. This double's manager makes the text; here only its life counts."""

import threading

from ..server_args import ServerArgs
from ..utils.common import configure_logger, kill_itself_when_parent_died


def run_detokenizer_process(server_args: ServerArgs) -> None:
    kill_itself_when_parent_died()
    configure_logger(server_args)
    threading.Event().wait()
