"""The reference: programs as plain PyTorch, which autograd differentiates. Every layer has it."""
