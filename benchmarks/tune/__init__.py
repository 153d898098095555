"""An engine's own few knobs tried under one load: which of them help, within a budget of time."""
