"""metrigen: a compiler from field theory to neural layers. Its words are those of ``metrigen.vocabulary``.

They are looked up when one is first asked for: what needs no SymPy, as ``metrigen --help``, does not wait for it.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metrigen.vocabulary import *  # noqa: F403
    from metrigen.vocabulary import __all__ as __all__
else:

    def __getattr__(name):
        """A word of the vocabulary, ``__all__``, or a part of the compiler; AttributeError for any other name."""
        from importlib import import_module
        from importlib.util import find_spec

        if name != "__all__" and name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if find_spec(f"{__name__}.{name}") is not None:
            return import_module(f"{__name__}.{name}")
        import metrigen.vocabulary as vocabulary

        if name != "__all__" and name not in vocabulary.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(vocabulary, name))

    def __dir__():
        return sorted({*globals(), *__getattr__("__all__")})
