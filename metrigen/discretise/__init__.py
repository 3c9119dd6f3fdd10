"""Domains: how a density in the continuum becomes a density of stored arrays."""
