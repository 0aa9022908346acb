"""Benchmarks: ours and the peers by turns in one run, results as data (Benchmarks/results), docs/benchmarks.md from them."""
