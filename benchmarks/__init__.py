"""Speed, as ratios within one run; started by ``python -m benchmarks``."""
