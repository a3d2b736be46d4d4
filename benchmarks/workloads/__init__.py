"""What is measured: each workload with a small function per contender, the same mathematics in all."""
