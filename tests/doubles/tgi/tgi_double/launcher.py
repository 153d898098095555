"""text-generation-launcher: shards and the web server, each in a process group of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.doubles.tgi.tgi_double.flags import Values, parse
from tests.doubles.tgi.tgi_double.start import router_problem, shard_problem

POLL = 0.05
SHARD = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(10**6)"
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
running = True


def log(level: str, message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    print(f"{now}.000000Z {level:>5} text_generation_launcher: {message}", flush=True)


def main(argv: list[str]) -> int:
    """Returns when it is told to stop, or when a process of its own has ended."""
    flags = parse(argv)
    log("INFO", f"Args {flags}")
    if problem := argument_problem(flags):
        print(f"Error: ArgumentValidation({json.dumps(problem)})", flush=True)
        return 1
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log("INFO", "Starting check and download process for " + flags["model-id"])
    log("INFO", "Files are already present on the host. Skipping download.")
    failure = OUT_OF_MEMORY if os.environ.get("DOUBLE_START") == "fail" else shard_problem(flags)
    if failure is not None:
        log("ERROR", "Shard complete standard error output:")
        print(failure, flush=True)
        log("ERROR", "Shard 0 failed to start")
        print("Error: ShardCannotStart", flush=True)
        return 1
    shards = [spawn_shard(flags, rank) for rank in range(int(flags.get("num-shard", 1)))]
    while running and os.environ.get("DOUBLE_START") == "hang":
        time.sleep(POLL)
    if problem := router_problem(flags, os.environ):
        print(f"Error: ArgumentValidation({json.dumps(problem)})", flush=True)
        for shard in shards:
            terminate(shard, float(flags["graceful-termination-timeout"]))
        return 1
    webserver = spawn_webserver(flags)
    code = watch(shards, webserver)
    for process in (webserver, *shards):
        terminate(process, float(flags["graceful-termination-timeout"]))
    return code


def stop(number: int, frame: object) -> None:
    global running
    running = False


def argument_problem(flags: Values) -> str | None:
    most_input, most = (int(flags.get(f"max-{kind}-tokens", 0)) for kind in ("input", "total"))
    if most_input and most and most_input >= most:
        return f"`max_input_tokens`({most_input}) must be < `max_total_tokens`({most})"
    directory = Path(flags["model-id"])
    if not (directory / "config.json").is_file() or not list(directory.glob("*.safetensors")):
        return f"no model at {directory}"
    return None


def spawn_shard(flags: Values, rank: int) -> subprocess.Popen[bytes]:
    path = f"{flags['shard-uds-path']}-{rank}"
    log("INFO", f"Starting shard rank={rank}")
    return subprocess.Popen([sys.executable, "-S", "-c", SHARD, path], process_group=0)


def spawn_webserver(flags: Values) -> subprocess.Popen[bytes]:
    log("INFO", "Starting Webserver")
    command = [sys.executable, "-m", "tests.doubles.tgi.tgi_double.router", json.dumps(flags)]
    return subprocess.Popen(command, process_group=0)


def watch(shards: list[subprocess.Popen[bytes]], webserver: subprocess.Popen[bytes]) -> int:
    while running:
        for rank, shard in enumerate(shards):
            if shard.poll() is not None:
                log("ERROR", f"Shard {rank} crashed")
                return 1
        if webserver.poll() is not None:
            log("ERROR", "Webserver Crashed")
            return 1
        time.sleep(POLL)
    return 0


def terminate(process: subprocess.Popen[bytes], timeout: float) -> None:
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
