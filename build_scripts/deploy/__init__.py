"""Puts a bento on BentoCloud, after a check of everything that BentoML would let pass."""
