"""python -m benchmarks.prompts: write builtin.jsonl anew from material.toml."""

from benchmarks.prompts.builtin import FILE, text

if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
