"""CPU kernels, compiled with Numba: one file per file of minicnn/kernels, and shared infrastructure."""
