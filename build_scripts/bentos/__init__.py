"""One bento per backend: its files are made from one table, and it is built from them."""
