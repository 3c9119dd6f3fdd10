"""A system stepped from a named or written start: for a look at a spec, without a program around it."""
