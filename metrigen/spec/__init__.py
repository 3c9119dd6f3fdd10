"""What a user writes: domains, fields, parameters, functionals, the system."""
