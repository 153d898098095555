"""Study files with one mistake each, and what is said of it."""

HEAD = "name: x\nload: {users: [1], duration: 5, ramp: 1}\n"
MISTAKES = {
    "no YAML": ("name: [", "line 1: expected the node content"),
    "empty": ("", "is empty"),
    "no mapping": ("- 1", "line 1: has to be a mapping with any of name, load"),
    "twice": ("name: x\nname: y", "line 2: 'name' is given twice"),
    "an alias of itself": (HEAD + "backends: &a [*a]", "holds itself by an alias"),
    "a list as a key": (HEAD + "? [1]\n: 2", "line 3: a key has to be a word"),
    "missing": (HEAD, "line 1: backends: is missing"),
    "misspelt field": (HEAD + "ordr: listed", "line 3: ordr: is no field here (did you mean"),
    "misspelt word": (
        HEAD + "order: shufled\nbackends: [{backend: echo}]",
        "line 3: order: 'shufled' is not known (did you mean 'shuffled'?); allowed are: "
        "shuffled, interleaved, listed",
    ),
    "a text for a number": (
        "name: x\nload:\n  users: 1\n  duration: '5'\nbackends: [{backend: echo}]",
        "line 4: load.duration: input should be a valid number, not '5'",
    ),
    "no users": (
        "name: x\nload:\n  users:\n  - 4\n  - 0\nbackends: [{backend: echo}]",
        "line 5: load.users[1]: input should be greater than or equal to 1, not 0",
    ),
    "users of an open loop": (
        "name: x\nload: {mode: poisson, users: 1}\nbackends: [{backend: echo}]",
        "line 2: load: the mode poisson takes rate and not users",
    ),
    "a ramp without an end": (
        "name: x\nload: {users: 1, duration: 5, ramp: 20}\nbackends: [{backend: echo}]",
        "line 2: load.ramp: the ramp, 20 s, has to be shorter than the duration",
    ),
    "a sweep without a limit": (
        HEAD + "sweep: {}\nbackends: [{backend: echo}]",
        "line 1: limits: a sweep needs a limit: of ttft, tpot or end_to_end",
    ),
    "a sweep from two levels": (
        "name: x\nload: {users: [1, 2], duration: 5}\nlimits: {ttft: 1}\nsweep: {}\n"
        "backends: [{backend: echo}]",
        "line 4: sweep: begins at one level",
    ),
    "a quantization without a checkpoint": (
        HEAD + "models: [{name: m, model: {awq: org/x}}]\nquantization: [awq, fp8]\n"
        "backends: [{backend: echo}]",
        "line 3: models: m has no checkpoint for fp8",
    ),
    "unknown backend": (
        HEAD + "backends:\n  - backend: ehco",
        "line 4: backends[0].backend: 'ehco' is no backend (did you mean 'echo'?); allowed are: ",
    ),
    "neither backend nor url": (HEAD + "backends:\n  - label: x", "needs either 'backend'"),
    "both kinds of server": (
        HEAD + "backends:\n  - {label: x, command: ['{port}'], url: 'http://there'}",
        "line 4: backends[0]: needs either 'backend', one of ours, or 'command'",
    ),
    "a command without a port": (
        HEAD + "backends:\n  - {label: x, command: [serve]}",
        "line 4: backends[0].command: has to say where {port} goes",
    ),
    "a command without a name": (
        HEAD + "backends:\n  - command: ['{port}']",
        "line 4: backends[0]: needs a 'label' beside its 'command'",
    ),
    "settings of another server": (
        HEAD + "backends:\n  - {label: x, command: ['{port}'], settings: {seed: 1}}",
        "line 4: backends[0].settings: no service of ours is started",
    ),
    "a path of a service of ours": (
        HEAD + "backends:\n  - {backend: echo, ready_path: /health}",
        "line 4: backends[0].ready_path: is of a 'command'",
    ),
    "settings of an endpoint": (
        HEAD + "backends:\n  - url: http://there\n    settings: {seed: 1}",
        "line 5: backends[0].settings: nothing is started for a 'url'",
    ),
    "the same twice": (
        HEAD + "backends:\n  - backend: echo\n  - backend: echo",
        "line 5: backends[1]: is the second one that is named 'echo': give it a 'label'",
    ),
    "misspelt setting": (
        HEAD + "backends: [{backend: echo}]\nsettings:\n  max_model_le: 64",
        "line 5: settings.max_model_le: is no setting (did you mean 'max_model_len'?)",
    ),
    "bad value of a setting": (
        HEAD + "backends:\n  - backend: echo\n    settings:\n      max_queue: many",
        "line 6: backends[0].settings.max_queue: input should be a valid integer",
    ),
    "an axis as a setting": (
        HEAD + "backends: [{backend: echo}]\nsettings: {model: x}",
        "line 4: settings.model: is given by the field 'models' of the study",
    ),
    "a secret": (
        HEAD + "backends: [{backend: echo}]\nsettings: {api_keys: [x]}",
        "line 4: settings.api_keys: is a secret: set the variable API_KEYS",
    ),
    "a secret variable": (
        HEAD + "backends:\n  - backend: echo\n    variables: {HF_TOKEN: x}",
        "line 5: backends[0].variables: the variable HF_TOKEN may be a secret: set it when",
    ),
    "a key under a name of its own": (
        HEAD + "backends:\n  - backend: echo\n    variables: {OPENAI_KEY: x}",
        "line 5: backends[0].variables: the variable OPENAI_KEY may be a secret",
    ),
    "a password in a url": (
        HEAD + "backends:\n  - url: http://me:x@there",
        "line 4: backends[0].url: has a user or a password in it",
    ),
    "a secret inside a setting": (
        HEAD + "backends: [{backend: vllm}]\nsettings: {engine_args: {api_key: x}}",
        "line 4: settings.engine_args: setting 'engine_args' (api_key) is a secret and stays out:",
    ),
    "a key of what is started": (
        HEAD + "backends: [{backend: echo, key_variable: K}]",
        "line 3: backends[0].key_variable: is of a 'url'",
    ),
    "a ramp of an open loop": (
        "name: x\nload: {mode: poisson, rate: 1, ramp: 2}\nbackends: [{backend: echo}]",
        "line 2: load.ramp: the mode poisson has no users to spawn",
    ),
    "more processes than users": (
        "name: x\nload: {users: [1, 9], procs: 4, ramp: 1}\nbackends: [{backend: echo}]",
        "line 2: load.procs: 4 processes cannot share 1 user",
    ),
    "turns of a raw stream": (
        "name: x\nload: {users: 1, turns: 2, protocol: generate}\nbackends: [{backend: echo}]",
        "line 2: load.turns: several turns need the protocol chat",
    ),
    "fewer users of one backend than processes": (
        "name: x\nload: {users: 4, procs: 4, ramp: 1}\nbackends:\n  - backend: echo\n    users: 2",
        "line 4: backends[0]: 4 processes cannot share 2 users",
    ),
    "users of one backend in an open loop": (
        "name: x\nload: {mode: poisson, rate: 1}\nbackends:\n  - backend: echo\n    users: 2",
        "line 4: backends[0]: the mode poisson takes rate and not users",
    ),
    "a protocol of one backend without turns": (
        "name: x\nload: {users: 1, turns: 2}\nbackends:\n  - {backend: echo, protocol: generate}",
        "line 4: backends[0]: several turns need the protocol chat",
    ),
    "a protocol of one backend that aiperf does not speak": (
        "name: x\nload: {users: 1, engine: aiperf}\n"
        "backends: [{backend: echo, protocol: generate}]",
        "line 3: backends[0]: aiperf reads no raw stream",
    ),
    "a cache that aiperf does not reset": (
        "name: x\nload: {users: 1, engine: aiperf}\nbackends: [{url: http://x, reset_cache: /r}]",
        "line 3: backends[0].reset_cache: has no effect with --engine aiperf",
    ),
    "a key that is not there": (
        HEAD + "backends:\n  - url: http://there\n    key_variable: NO_SUCH_KEY",
        "line 5: backends[0].key_variable: the environment variable NO_SUCH_KEY is not set",
    ),
    "no text": (
        HEAD + "backends: [{backend: echo}]\nsystem_prompt: /dev/null/x",
        "line 4: system_prompt: there is no file",
    ),
    "an endless duration": (
        "name: x\nload: {users: 1, duration: .inf}\nbackends: [{backend: echo}]",
        "line 2: load.duration: input should be a finite number",
    ),
    "a misspelt source of prompts": (
        HEAD + "backends: [{backend: echo}]\nprompts: bultin",
        "line 4: prompts: 'bultin' is no source (did you mean 'builtin'?)",
    ),
    "no system prompt": (
        HEAD + "backends: [{backend: echo}]\nsystem_prompt: [none, there.txt]",
        "line 4: system_prompt: there is no file",
    ),
    "no prompts": (
        HEAD + "backends: [{backend: echo}]\nprompts: there.jsonl",
        "line 4: prompts: there is no file",
    ),
    "an exclusion of nothing": (
        HEAD + "backends: [{backend: echo}]\nexclude:\n  - {users: 7}",
        "line 5: exclude[0]: no cell is like that",
    ),
    "an exclusion of all": (
        HEAD + "backends: [{backend: echo}]\nexclude: [{users: 1}]",
        "every cell is excluded",
    ),
    "a task without a file": (
        HEAD + "backends: [{backend: echo}]\nquality:\n  - kind: exact",
        "line 5: quality[0].file: is missing",
    ),
    "a task that is not known": (
        HEAD + "backends: [{backend: echo}]\nquality:\n  - {kind: exactly, file: q.jsonl}",
        "line 5: quality[0].kind: 'exactly' is not known (did you mean 'exact'?)",
    ),
    "two tasks of one name": (
        HEAD + "backends: [{backend: echo}]\nquality:\n  - {kind: exact, file: q.jsonl}\n"
        "  - {kind: choice, file: q.jsonl}",
        "quality: has two tasks that are named 'q': give one a 'name'",
    ),
    "a file of a task that is not there": (
        HEAD + "backends: [{backend: echo}]\nquality: [{kind: exact, file: there.jsonl}]",
        "line 4: quality[0].file: there is no file",
    ),
    "a folder of tasks that is not there": (
        HEAD + "backends: [{backend: echo}]\n"
        "quality: [{kind: lm_eval, name: arc_easy, include: there}]",
        "line 4: quality[0].include: there is no folder",
    ),
}
