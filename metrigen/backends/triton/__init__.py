"""Triton: kernels of a GPU, one a map, and whole steps and solves on chip."""
