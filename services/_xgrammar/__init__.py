"""xgrammar, which several engines compile their grammars with."""
