"""Quantized checkpoints of Hugging Face models, made by llm-compressor or AutoAWQ.

The builder runs in the environment of the services, the tools in their own (scripts/setup
llmcompressor, scripts/setup autoawq). What the tools' interpreters run, `with_llmcompressor`,
`with_autoawq` and `measure`, and what these share, imports nothing of common/.
"""
