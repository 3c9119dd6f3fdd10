"""Check and time emitted Triton kernels on a GPU: ``python -m benchmarks.device --out FOLDER``."""
