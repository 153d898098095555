"""Other load generators that make a run in place of our client."""
