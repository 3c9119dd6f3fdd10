"""Names of a spec that C++ cannot carry as they are, and go by another one there: words of the language and macros."""

from __future__ import annotations

import re

KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
    co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch
    template this thread_local throw true try typedef typeid typename typeof union unsigned using virtual void
    volatile wchar_t while xor xor_eq
    """.split()
)
# Macros of compilers and of the headers that the kernels include. Those in capitals are known by their shape.
MACROS = frozenset(
    """
    alloca assert be16toh be32toh be64toh errno htobe16 htobe32 htobe64 htole16 htole32 htole64 issubnormal le16toh
    le32toh le64toh linux math_errhandling offsetof omp pixel stderr stdin stdout strdupa strndupa unix va_arg va_end
    va_start vector
    """.split()
)
_CAPITALS = r"[A-Z][A-Z0-9_]{2,}\w*"
# Routines, by the programs that they are, and functions of numbers, which end in an underscore: exp_, max_.
_ROUTINES = (
    "(average|apply|diagonal|discrete_gradient|flow|gather|head|inner|midpoint|operator|read|readout|run|step|tail|"
    "weights)(_\\w+)?"
)
_SHAPES = re.compile(rf"{_CAPITALS}|{_ROUTINES}|\w+_")


def is_taken(name: str) -> bool:
    """Whether C++, a header or the kernels may mean something by ``name`` where names of a spec stand. Names that the
    compiler makes, with a double underscore, stand apart from all of these."""
    if "__" in name:
        return False
    return name in KEYWORDS or name in MACROS or _SHAPES.fullmatch(name) is not None


def is_word(name: str) -> bool:
    """Whether C++ or a header has the name: what stands in a file besides is seen there."""
    return name in KEYWORDS or name in MACROS or name.isupper()
