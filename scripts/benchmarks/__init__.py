"""Benchmarks: each prints what was measured, the figure and its limit. Ratios are taken within one run."""
