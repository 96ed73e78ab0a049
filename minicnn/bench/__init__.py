"""Benchmarks of minicnn on this machine, compared with PyTorch if it is installed.

Each section is one module with one function, `section(plan)`, that lists its measurements; `runner` runs them.
"""
