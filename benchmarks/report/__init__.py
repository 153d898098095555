"""Results as one page that needs no network, as figures and as tables."""
