"""Makes the tiny chat model of the repository: corpus, tokenizer, template and weights."""
