"""Kernels for processors, compiled with Numba: one file for each file of minicnn/kernels, and what they stand on."""
