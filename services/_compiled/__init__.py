"""What our builders compiled for one kind of GPU: found in the model store, and read."""
