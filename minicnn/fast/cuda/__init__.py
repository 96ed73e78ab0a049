"""Kernels for NVIDIA GPUs in numba.cuda: one file per file of minicnn/kernels, and shared infrastructure."""
