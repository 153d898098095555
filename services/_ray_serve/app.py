"""The process that launches an app of Ray Serve LLM and stays with it: its driver.

`python -m services._ray_serve.app`, with a Plan in the environment. It starts a Ray cluster on this
machine or joins a running one, deploys the app, and writes where it is and how many replicas run to
a file, again and again. Its end is the end of the app, and of a cluster of its own.
"""

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.processes.ports import LOOPBACK, free_ports
from services._ray_serve.config import coupled, llm_config, logical_cpus
from services._ray_serve.settings import PLAN_VARIABLE, Plan

STATUS_INTERVAL = 1.0
CONNECT_TIMEOUT = 5.0
OBJECT_STORE_BYTES = 256 * 2**20
"""Of a cluster of our own: requests and answers are small, and Ray would take 30 % of memory."""
QUIET = {"enable_access_log": False, "log_level": "WARNING"}
INGRESS: dict[str, Any] = {"num_replicas": 1, "ray_actor_options": {"num_cpus": 0.1}}
SHOWN_ACTORS = ("LLMServer", "ServeController")
"""In the names of actors whose output is shown. HTTP says enough of the others, which have three
tracebacks for each request whose client leaves."""

ENGINE_ERROR = re.compile(r"\(EngineCore[^)]*\) ERROR [^\]]*\] (\w*(?:Error|Exception): .+)")


class StatusFile:
    """A file that is complete at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, **values: Any) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(values))
        new.replace(self._path)


def main(plan: Plan) -> int:
    status = StatusFile(Path(plan.status_file))
    try:
        connect(plan)
    except Exception as error:
        status.write(error=f"Ray cannot be started or reached: {last_line(str(error))}")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    causes = show_output_of(SHOWN_ACTORS)
    try:
        deploy(plan, causes)
        report_status(plan, status)
    except StartError as error:
        status.write(error=str(error))
    finally:
        delete_app(plan)
    return 1


def connect(plan: Plan) -> None:
    """Start a cluster on this machine, or join the one at `ray_address`."""
    import ray

    address = plan.ray.ray_address
    if address is not None:
        check_reachable(address)
        # Its nodes may have no copy of this repository.
        package = str(Path(__file__).parents[1])
        ray.init(address=address, runtime_env={"py_modules": [package]})
        return
    ray.init(
        address="local",
        num_cpus=logical_cpus(plan),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=plan.directory,
        _node_ip_address=LOOPBACK,
    )


def check_reachable(address: str) -> None:
    """Raises OSError: Ray would try for minutes. "auto" has no address yet."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
        except OSError as error:
            raise OSError(f"no cluster answers at the ray_address {address!r}: {error}") from None


def show_output_of(names: tuple[str, ...]) -> list[str]:
    """Drop the output of all other actors, which Ray prints here.

    Returns a list to which the errors are added with which processes of vLLM end: the actors are
    only told that they did.
    """
    from ray._private.ray_logging import global_worker_stdstream_dispatcher as dispatcher

    def filtered(handle: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        def handle_shown(data: dict[str, Any]) -> None:
            if any(name in (data.get("actor_name") or "") for name in names):
                causes.extend(engine_errors(data.get("lines") or ()))
                handle(data)

        return handle_shown

    causes: list[str] = []
    dispatcher.handlers = [(name, filtered(handle)) for name, handle in dispatcher.handlers]
    return causes


def engine_errors(lines: Iterable[str]) -> list[str]:
    """Returns the last line of each traceback that vLLM's engine has logged."""
    return [match[1] for line in lines if (match := ENGINE_ERROR.search(line))]


def delete_app(plan: Plan) -> None:
    """Take the app off a cluster that stays; one of our own ends with this process."""
    if not plan.own_cluster:
        from ray import serve

        serve.delete(plan.name, _blocking=False)
        # It only sends; once this is answered, it has arrived.
        serve.status()


def deploy(plan: Plan, causes: list[str]) -> None:
    """Return when every replica runs. Raises StartError for what vLLM or Ray refuses."""
    from ray import serve

    try:
        from ray.serve.llm import build_dp_openai_app, build_openai_app
    except ImportError as error:
        raise StartError(f"Ray Serve LLM cannot be imported: {last_line(str(error))}") from None
    # It would show the replicas' environment, secrets included.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        config, ingress = llm_config(plan), INGRESS | plan.ray.ingress_deployment_config
        if coupled(plan) > 1:
            app = build_dp_openai_app({"llm_config": config, "ingress_deployment_config": ingress})
        else:
            app = build_openai_app({"llm_configs": [config], "ingress_deployment_config": ingress})
        # Of a cluster of our own as late as can be: its many processes take ports meanwhile.
        port = free_ports(1)[0] if plan.own_cluster else plan.port
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": LOOPBACK if plan.own_cluster else head_address(), "port": port},
            logging_config=QUIET,
        )
        serve.run(app, name=plan.name, route_prefix=f"/{plan.name}", logging_config=QUIET)
    except StartError:
        raise
    except Exception as error:
        message = failed_deployment(plan.name) or last_line(str(error))
        reason = causes[0] if causes and "See root cause" in message else message
        raise StartError(f"Ray Serve cannot deploy the app: {reason}") from error


def report_status(plan: Plan, status: StatusFile) -> None:
    """Write the app's status until a stop signal comes. Raises StartError when the app is gone."""
    from ray import serve
    from ray.serve.context import _get_global_client

    http = _get_global_client().http_config
    url = f"http://{http.host}:{http.port}{http.root_path}/{plan.name}"
    while True:
        app = serve.status().applications.get(plan.name)
        if app is None:
            raise StartError("someone has deleted the app from the cluster")
        replicas = [d.replica_states.get("RUNNING", 0) for d in app.deployments.values()]
        status.write(url=url, replicas=min(replicas, default=0), metrics=exporters())
        threading.Event().wait(STATUS_INTERVAL)


def head_address() -> str:
    """Returns that of the node where Serve's proxy is."""
    import ray

    heads = [n for n in ray.nodes() if "node:__internal_head__" in n["Resources"]]
    return str(heads[0]["NodeManagerAddress"])


def exporters() -> list[str]:
    """Returns the addresses at which the nodes export the series of their replicas."""
    import ray

    return [
        f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        for node in ray.nodes()
        if node["Alive"]
    ]


def failed_deployment(name: str) -> str:
    """Returns the last line of Ray's message on the first deployment that failed, or ""."""
    from ray import serve

    app = serve.status().applications.get(name)
    messages = [d.message for d in app.deployments.values() if d.message] if app else []
    return last_line(messages[0]) if messages else ""


def last_line(text: str) -> str:
    """Returns the last line with content: a traceback ends with its error.

    An error of pydantic's ends with a link, which is left out.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("For further information")]
    return lines[-1].partition(" [type=")[0][:500] if lines else "no reason was given"


if __name__ == "__main__":
    code = 1
    try:
        code = main(Plan.from_json(os.environ[PLAN_VARIABLE]))
    except Exception:
        logging.exception("the driver failed")
    finally:
        # Ray's own way out takes 10 s; whoever started us ends what is left.
        sys.stdout.flush()
        os._exit(code)
