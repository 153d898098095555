"""A server whose timings are known: what a load client measures is compared with them."""
