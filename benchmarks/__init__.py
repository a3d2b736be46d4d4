"""dezero beside NumPy by hand and its peers, in one process: `python -m benchmarks`."""
