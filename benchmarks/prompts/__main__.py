"""python -m benchmarks.prompts: write builtin.jsonl anew from its TOML files."""

from benchmarks.prompts.builtin import FILE, as_json_lines

if __name__ == "__main__":
    FILE.write_text(as_json_lines(), "utf-8")
