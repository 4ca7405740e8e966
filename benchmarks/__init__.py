"""Benchmarks: one file a subject, each run as ``python -m benchmarks.<name>``.

Timings are noisy: every figure that is compared is measured side by side in one run, and medians and ratios are what to quote.
"""
