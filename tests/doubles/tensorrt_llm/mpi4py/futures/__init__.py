"""As much of mpi4py as the process of a model needs."""
