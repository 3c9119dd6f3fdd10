"""Random specs through the whole chain: spec -> derive -> emit -> import -> run on every backend, and what must hold."""
