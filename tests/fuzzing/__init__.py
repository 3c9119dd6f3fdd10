"""Random specs through the chain spec -> derive -> emit -> import -> run on every backend, and what must hold."""
