"""Packages that were compiled in memory: each is a module of this one, by the name of its system and its key.

``metrigen.layer(system)`` makes them; a pickle names them, so that another process imports them from the cache.
"""

from metrigen.memory import finder as _finder

_finder.install()
