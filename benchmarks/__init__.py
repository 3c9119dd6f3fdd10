"""Side by side with what a user would take instead: ``python -m benchmarks`` writes RESULTS.md and results.svg."""
