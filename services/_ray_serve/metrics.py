"""vLLM's own series, as the cluster's nodes export them beside Ray's."""

from collections.abc import Iterable

PREFIX = "ray_vllm_"
KV_CACHE_USAGE = "ray_vllm_kv_cache_usage_perc"


def vllm_series(scrapes: Iterable[str], model_id: str) -> str:
    """Of one model, with the lines of a family together, as the text format demands."""
    families: dict[str, list[str]] = {}
    of_model = f'model_name="{model_id}"'
    for scrape in scrapes:
        family: list[str] = []
        for line in scrape.splitlines():
            if line.startswith("# "):
                name = line.split(" ", 3)[2]
                family = families.setdefault(name, []) if name.startswith(PREFIX) else []
                if line not in family:
                    family.append(line)
            elif line.startswith(PREFIX) and of_model in line:
                family.append(line)
    kept = (f for f in families.values() if any(not line.startswith("#") for line in f))
    return "".join(f"{line}\n" for family in kept for line in family)


def kv_cache_usage(series: str) -> float | None:
    """Of the fullest replica, 0 to 1."""
    found = [line for line in series.splitlines() if line.startswith(f"{KV_CACHE_USAGE}{{")]
    return max((float(line.rpartition(" ")[2]) for line in found), default=None)
