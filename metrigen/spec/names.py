"""Which names a spec may use: identifiers that every target language can carry unchanged."""

from __future__ import annotations

import keyword

from metrigen.errors import SpecError

_C = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false
class template typename namespace private public protected virtual this operator new delete using try catch throw
""".split()
_TRITON = "tl triton torch constexpr libdevice program_id BLOCK ACC".split()
_PYTHON = "self print zip range len list tuple dict set type object property super None True False match case".split()
_MODULE = """
forward backward readout energy entropy state inputs parameters buffers modules children train eval training half
float double bfloat16 to cpu cuda apply compile share_memory channels steps backend solver warm_start rtol atol
max_iter bwd_rtol use_kernels reference kernels nn Tensor shift inside sites cayley solve stress_energy currents
balance_residual state_dict load_state_dict zero_grad add_module graph edge_index batch flux nodes edges root
linear report stumpff math iterations residual status step last forward_readout damped_stumpff partial warnings Options
Report Dense Sparse NotConverged before after elapsed config from_config extra_repr get_extra_state set_extra_state
BaseLayer as_count as_step by_reference by_sample check_fields check_input check_state exact pullback readable
registered step_of transformed working
""".split()
_RESERVED = {
    **dict.fromkeys(_MODULE, "the emitted module"),
    **dict.fromkeys(_TRITON, "Triton"),
    **dict.fromkeys(_C, "C"),
    **dict.fromkeys((*keyword.kwlist, *_PYTHON), "Python"),
}


def check_name(name: object, what: str, *, inside: bool = True) -> str:
    """Return ``name`` if it can stand in Python, Triton and C as it is; raise ``SpecError`` otherwise.

    ``inside``: it will be a name inside the emitted module, and must not be one of the module's own.
    """
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
        raise SpecError(
            f"{what} name {name!r} is not an identifier",
            part=str(name),
            why="names appear unchanged in Python, Triton and C code",
            fix="use ASCII letters, digits and single underscores, not starting with a digit",
        )
    if name in _RESERVED and (inside or name not in _MODULE):
        raise SpecError(
            f"{what} name {name!r} is reserved in {_RESERVED[name]}",
            part=name,
            fix=f"rename it, for instance to {name + '_'!r}",
        )
    if "__" in name or name.startswith("_"):
        raise SpecError(
            f"{what} name {name!r} is reserved in the emitted code",
            part=name,
            why="a leading or a double underscore marks names that the compiler makes",
            fix=f"rename it, for instance to {name.strip('_').replace('__', '_') or 'u'!r}",
        )
    return name
