"""Kernels for NVIDIA's GPUs in numba.cuda: one file for each file of minicnn/kernels, and what they stand on."""
