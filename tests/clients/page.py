"""Makes docs/clients.md of the clients and their scripts."""

import ast
import json
import re
from typing import Any

from tests.clients.clients import (
    AGENTS,
    BACKEND_GAPS,
    CAPABILITIES,
    CLIENTS,
    MORE_BACKENDS,
    SCRIPTS,
    Agent,
    Client,
)
from tests.service_process import REPOSITORY

FILE = REPOSITORY / "docs" / "clients.md"
VALUES = {
    "URL": "http://localhost:3000",
    "BASE_URL": "http://localhost:3000/v1",
    "MODEL": "demo",
}
"""What stands on the page for the names of the scripts."""
TEST_ONLY = {None, "cache", "echo", "max_retries", "mode", "num_retries", "temperature"}
"""Arguments by which the scripts are sure of an answer; None is the name of `**fields`."""
YES, NONE = "✓", ""
TEMPLATE = """\
# Clients

A test runs these clients, at these versions, against the service with `vllm` and with `echo`; those
that take long, with one of the two. {more}
The columns of the table are:

{meanings}

{table}

✓ means that the client gets what it should. An empty cell means that the client has no such thing,
or that no test asks it. The model of the test is the demo model; others answer as well as they can.
What a backend cannot do, no client can do with it:

{backend_gaps}

## Point a client at the service

These lines are those of the test. The key may be anything while the service has no `API_KEYS`.
`demo` is the model's name, which `/v1/models` shows.

{setups}

## Agents in a terminal

These two are programs of their own. The test answers what they were recorded to ask, before a tool
call and after it. Their prompts alone have about 10,000 tokens: the model needs a longer context.

{agents}

`python -m tests.clients` makes this page of `tests/clients/clients.py` and the scripts beside it.
`scripts/clients` installs the clients.
"""


class Filled(ast.NodeTransformer):
    """Puts VALUES in the place of their names, within f-strings too, and leaves TEST_ONLY out."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [word for word in node.keywords if word.arg not in TEST_ONLY]
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(VALUES[node.id]) if node.id in VALUES else node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        return self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return ast.Constant("".join(ast.literal_eval(part) for part in node.values))


def setup_line(client: Client) -> str:
    """Returns the line of the client's script that names the server, with values for its names."""
    source = (SCRIPTS / client.script).read_text("utf-8")
    if client.script.endswith(".mjs"):
        line = next(line for line in source.splitlines() if re.search(r"\w: BASE_URL", line))
        return re.sub("BASE_URL", f"'{VALUES['BASE_URL']}'", line.strip())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.Return) and names(node) & {"URL", "BASE_URL"}:
            assert node.value is not None
            value = Filled().visit(node.value)
            if isinstance(value, ast.Dict):
                return json.dumps(ast.literal_eval(value))
            if isinstance(value, ast.Constant):
                return str(value.value)
            return ast.unparse(value).replace("'", '"')
    raise AssertionError(f"{client.script} names no server")


def names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def row(client: Client, notes: list[str]) -> str:
    """Returns its line of the table; a new gap is added to `notes`, which are numbered."""
    cells = [cell(client, capability, notes) for capability in CAPABILITIES]
    return "| " + " | ".join([client.name, client.version, *cells]) + " |"


def cell(client: Client, capability: str, notes: list[str]) -> str:
    if capability not in client.has:
        return NONE
    if capability not in client.gaps:
        return YES
    note = f"{client.name}, {capability}: {client.gaps[capability].reason}."
    notes.append(note)
    return f"no ({len(notes)})"


def table() -> list[str]:
    notes: list[str] = []
    head = ["client", "version", *CAPABILITIES]
    rows = [row(client, notes) for client in CLIENTS]
    rule = "|---" * len(head) + "|"
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return ["| " + " | ".join(head) + " |", rule, *rows, *(["", *numbered] if numbered else [])]


def backend_gaps() -> list[str]:
    return [
        f"- `{backend}`, {capability}: {gap.reason}."
        for backend, gaps in BACKEND_GAPS.items()
        for capability, gap in gaps.items()
    ]


def setups() -> list[str]:
    lines = []
    for client in CLIENTS:
        note = f" {client.note}" if client.note else ""
        lines.append(f"- {client.name}:{note} `{setup_line(client)}`")
    return lines


def agent_lines(agent: Agent) -> str:
    """Returns the part of the page on an agent."""
    return f"{agent.name} {agent.version}. {agent.note}\n\n```sh\n{agent.command}\n```"


def page() -> str:
    """Returns the text of the page."""
    more = [client.name for client in CLIENTS if client.backends == MORE_BACKENDS]
    meanings = [f"- {name}: {meaning}" for name, meaning in CAPABILITIES.items()]
    return TEMPLATE.format(
        more=f"With `{MORE_BACKENDS[-1]}`, too: {', '.join(more)}.",
        meanings="\n".join(meanings),
        table="\n".join(table()),
        backend_gaps="\n".join(backend_gaps()),
        setups="\n".join(setups()),
        agents="\n\n".join(map(agent_lines, AGENTS)),
    )
