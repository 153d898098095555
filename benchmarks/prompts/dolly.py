"""databricks-dolly-15k, from the hub."""

from pathlib import Path

from benchmarks.prompts.errors import BadPrompts

DOLLY = "dolly"
REPOSITORY, FILE = "databricks/databricks-dolly-15k", "databricks-dolly-15k.jsonl"


def download() -> Path:
    """Of the hub's cache, once it is there. Raises BadPrompts."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(hf_hub_download(REPOSITORY, FILE, repo_type="dataset"))
    except (OSError, HfHubHTTPError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadPrompts(
            f"prompts {DOLLY}: {REPOSITORY} cannot be fetched from the hub ({reason}); give a copy "
            f"of its {FILE} as the source, or use builtin"
        ) from None
