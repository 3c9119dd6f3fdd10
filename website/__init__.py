"""How the documentation is made of what the project has: the gallery, the reference, formulas."""
