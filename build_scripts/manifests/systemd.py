"""systemd: the backend from a checkout of this repository and the environment beside it."""

from collections.abc import Iterable

from build_scripts.manifests.deployment import PORT, Deployment

Section = tuple[str, Iterable[tuple[str, str]]]
WATCHDOG = 30
"""Seconds without a sign of life, or at once when the engine says that it is dead."""
RESTARTS = 5
"""In an hour: a start that fails for good is not tried for ever."""
HARDENING = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "PrivateTmp": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}

ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def file(wanted: Deployment) -> str:
    """The unit. Secrets come from a file that only root reads."""
    return (
        "\n\n".join(
            "\n".join([f"[{title}]", *(f"{name}={value}" for name, value in lines)])
            for title, lines in (_unit(wanted), _service(wanted), _install())
        )
        + "\n"
    )


def _unit(wanted: Deployment) -> Section:
    return "Unit", [
        ("Description", f"{wanted.engine.title} behind the API of llm-services"),
        ("Wants", "network-online.target"),
        ("After", "network-online.target"),
        ("StartLimitIntervalSec", "3600"),
        ("StartLimitBurst", str(RESTARTS)),
    ]


def _service(wanted: Deployment) -> Section:
    name = wanted.name
    secrets = f"/etc/llm-services/{name}.env"
    binary = f"{wanted.directory}/{wanted.python_environment}/bin/bentoml"
    variables = {
        **wanted.environment,
        "HOME": f"/var/cache/{name}",
        "XDG_CACHE_HOME": f"/var/cache/{name}",
        "BENTOML_HOME": f"/var/lib/{name}",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return "Service", [
        ("Type", "notify"),
        ("NotifyAccess", "all"),
        # Without a key it would serve everybody; the file may lack it, or be empty.
        *([] if wanted.open else [("ExecStartPre", "/usr/bin/test -n ${API_KEYS}")]),
        ("ExecStart", f"{binary} serve {wanted.target} --host 0.0.0.0 --port {PORT}"),
        ("WorkingDirectory", wanted.directory),
        *(("Environment", _quoted(f"{key}={value}")) for key, value in variables.items()),
        ("EnvironmentFile", f"-{secrets}" if wanted.open else secrets),
        ("DynamicUser", "yes"),
        ("CacheDirectory", name),
        ("StateDirectory", name),
        ("LimitNOFILE", "65536"),
        ("LimitMEMLOCK", "infinity"),
        ("Restart", "on-failure"),
        ("RestartSec", "5"),
        ("TimeoutStartSec", str(wanted.start_seconds)),
        ("WatchdogSec", str(WATCHDOG)),
        ("WatchdogSignal", "SIGTERM"),
        ("KillSignal", "SIGTERM"),
        ("KillMode", "mixed"),
        ("TimeoutStopSec", str(wanted.drain_seconds)),
        ("TimeoutAbortSec", str(wanted.drain_seconds)),
        ("PrivateDevices", "no" if wanted.gpus else "yes"),
        *HARDENING.items(),
    ]


def _install() -> Section:
    return "Install", [("WantedBy", "multi-user.target")]


def _quoted(text: str) -> str:
    r"""As systemd reads it: `%` begins a specifier; `\`, `"` and the ends of lines are escaped."""
    return f'"{text.translate(ESCAPES)}"'
