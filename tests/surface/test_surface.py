"""What every layer has beside its computation, over all families."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from metrigen import SpecError
from metrigen.spec.names import check_name
from tests.surface.systems import ALL, FAMILIES, STEPPING, C, fields, inputs, kind, layer, run, state

every = pytest.mark.parametrize("name", ALL)


def alike(found: Any, wanted: Any) -> None:
    for x, y in zip(found, wanted, strict=True):
        assert torch.equal(x, y)


@every
def test_a_state_is_handed_over_whole(name: str) -> None:
    """As first argument of ``forward``: the same as its fields by position, or by the keyword that takes a start."""
    made, given, family = layer(name).double(), inputs(name), FAMILIES[name]
    start = state(name)
    wanted = made(**given, **{family.start: start if family.start == "state" else start[0]}) if family.start else run(
        name, made)  # fmt: skip
    alike(made(start, **given), wanted)
    assert type(made(start, **given)) is made.STATE
    again = made(wanted.last, **given)  # on from where it ended
    assert again._fields == wanted._fields
    if hasattr(made, "forward_readout"):
        alike(made.forward_readout(start, **given)[0], wanted)


@pytest.mark.parametrize("name", ["lattice", "steady", "graph"])
def test_inputs_may_follow_by_position(name: str) -> None:
    """In their order, behind all fields or behind a State; no more of them than there are, and none twice."""
    made, given = layer(name).double(), inputs(name)
    own = [given[n] for n in made.INPUTS]
    named = {n: x for n, x in given.items() if n not in made.INPUTS}
    wanted, ahead = run(name, made), () if FAMILIES[name].start else fields(name)
    alike(made(*ahead, *own, **named), wanted)
    if not ahead:
        return
    alike(made(state(name), *own, **named), wanted)
    alike(made.rollout(*ahead, *own, **named).last, wanted)
    alike(made.rollout_readout(*ahead, *own, **named)[0], wanted)
    with pytest.raises(TypeError, match=f"given twice: {made.INPUTS[0]}"):
        made(*ahead, *own, **given)
    with pytest.raises(TypeError, match=f"{len(ahead) + len(own) + 1} given by position"):
        made(*ahead, *own, own[0], **named)


@pytest.mark.parametrize("name", ["steady", "graph_steady"])
def test_a_solve_starts_from_a_state_and_says_what_it_refuses(name: str) -> None:
    made, given, start = layer(name).double(), inputs(name), state(name)
    alike(made(**given, warm_start=start), made(**given, warm_start=start[0]))
    with pytest.raises(TypeError, match="s is a tensor, not list"):
        made(**{**given, "s": [1.0]})
    for option, exact in (("rtol", 0), ("bwd_rtol", 0), ("max_iter", 500.0)):  # as the kernels take them, set later too
        changed = layer(name, atol=1e-9).double()
        setattr(changed, option, exact)
        for x, y in zip(changed(**given)[:1], made(**given)[:1], strict=True):
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-6)
    for option, wrong in (("rtol", "x"), ("atol", -1.0), ("bwd_rtol", float("nan")), ("max_iter", 0.5)):
        with pytest.raises((TypeError, ValueError), match=option):
            layer(name, **{option: wrong})


def test_rates_of_tokens_and_states_of_other_numbers_are_refused() -> None:
    made, given = layer("sequence").double(), inputs("sequence")
    states = run("sequence", made)
    with pytest.raises(ValueError, match=r"do not broadcast to 2 channels and states of \(3, 2, 6\)"):
        made.rates(states, **{name: x[..., :4] for name, x in given.items()})


@every
def test_what_is_no_state_of_the_layer_is_refused(name: str) -> None:
    made, start, family = layer(name).double(), state(name), FAMILIES[name]
    with pytest.raises(TypeError, match=f"{made.STATE.__name__}"):
        made((start[0],), **inputs(name))
    fields, named = ((start,), {family.start: start}) if family.start else ((start, start[0]), {})
    with pytest.raises(TypeError, match="beside"):
        made(*fields, **inputs(name), **named)


@every
def test_device_and_dtype_are_those_of_the_parameters(name: str) -> None:
    torch.manual_seed(0)
    made = layer(name, device="cpu", dtype=torch.float64)
    assert {x.dtype for x in made.parameters()} <= {torch.float64}
    for x, y in zip(made.parameters(), layer(name).double().parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-6)
    alike(run(name, made), run(name, copy.deepcopy(made)))
    assert {x.device.type for x in layer(name, device="meta").parameters()} <= {"meta"}
    skipped = nn.utils.skip_init(kind(name), C, **dict(FAMILIES[name].sizes))
    skipped.reset_parameters()
    for x, y in zip(skipped.parameters(), layer(name).parameters(), strict=True):
        assert torch.equal(x, y)
    with pytest.raises(ValueError, match="floating point"):
        layer(name, dtype=torch.int64)


@every
def test_parameters_are_set_again_in_place(name: str) -> None:
    made = layer(name)
    start, places = copy.deepcopy(made.state_dict()), [x.data_ptr() for x in made.parameters()]
    with torch.no_grad():
        for x in made.parameters():
            x.add_(0.25)
    made.reset_parameters()
    assert places == [x.data_ptr() for x in made.parameters()]
    for key, value in made.state_dict().items():
        assert torch.equal(value, start[key])


def test_a_learned_step_begins_again_where_it_was_made_to() -> None:
    made = layer("lattice", dt=0.03)
    with torch.no_grad():
        made.raw_dt.add_(1.0)
    made.reset_parameters()
    assert made.dt.item() == pytest.approx(0.03)


@every
def test_a_layer_shows_what_it_is(name: str) -> None:
    made = layer(name)
    text = made.extra_repr()
    assert "\n" not in repr(made)
    assert text.startswith(f"channels={C}")
    for word in ("backend='auto'", "H=", f"spec={made.SPEC}"):
        assert word in text
    if name in STEPPING:
        assert "steps=2" in text or "steps=3" in text
    if FAMILIES[name].start != "warm_start":
        assert "dt=" in text
    assert len(made.ENERGY) <= 72


@every
def test_readout_channels_are_those_of_the_readout(name: str) -> None:
    made, given = layer(name).double(), inputs(name)
    read = made.readout(made(state(name), **given), **({} if FAMILIES[name].start == "state" else given))
    assert read.shape[1] == made.readout_channels
    assert made.readout_channels % C == 0
    assert made.readout_channels > 0


@every
def test_what_weight_decay_leaves_alone(name: str) -> None:
    """A raw 0 is no neutral point of what has a sign; what has none is 0 there."""
    made = layer(name).double()
    alone = made.no_weight_decay()
    raw = dict(made.named_parameters())
    assert alone <= set(raw)
    with torch.no_grad():
        for x in raw.values():
            x.zero_()
    for key in raw:
        value = getattr(made, key.removeprefix("raw_"))
        assert bool((value != 0).all()) == (key in alone)


@every
def test_a_parameter_says_its_shape_range_and_raw_tensor(name: str) -> None:
    for key, raw in layer(name).named_parameters():
        own = key.removeprefix("raw_")
        doc = vars(kind(name))[own].__doc__
        assert f"``{key}``" in doc
        assert "(" in doc
        if "sign=" in repr(vars(vars(kind(name))[own])) and vars(kind(name))[own].sign:
            assert vars(kind(name))[own].sign in doc
        assert raw.requires_grad


@every
def test_states_are_cut_off_copied_and_moved(name: str) -> None:
    made = layer(name).double()
    for x in made.parameters():
        x.requires_grad_(True)
    given = {n: x.requires_grad_(x.is_floating_point()) for n, x in inputs(name).items()}
    start = state(name)
    start = start._replace(**{n: getattr(start, n).requires_grad_() for n in made.FIELDS})
    end = made(start, **given)
    cut, copied, half = end.detach(), end.clone(), end.to(torch.float32)
    assert type(cut) is type(copied) is type(half) is made.STATE
    assert not any(x.requires_grad for x in cut)
    alike(cut, end.detach())
    alike(copied, end)
    assert all(x.data_ptr() != y.data_ptr() for x, y in zip(copied, end, strict=True))
    assert copied[0].requires_grad
    assert all(x.dtype == (torch.float32 if y.is_floating_point() else y.dtype) for x, y in zip(half, end, strict=True))
    assert all(x.is_meta for x in end.to("meta"))
    assert all(x.is_meta for x in end.to(device="meta", dtype=torch.float64))
    leaves, spec = torch.utils._pytree.tree_flatten(end)
    assert type(torch.utils._pytree.tree_unflatten(leaves, spec)) is made.STATE


@every
def test_the_last_of_a_state(name: str) -> None:
    made = layer(name).double()
    end = run(name, made)
    if FAMILIES[name].start == "state":
        alike(end.last, tuple(x[..., -1] for x in end))
        alike(end.last.last, end.last)
    else:
        alike(end.last, end)
        times = made.STATE(*(torch.stack((0 * x, x), 2) if x.dim() > 1 else x for x in end))
        alike(times.last, end)


@every
def test_a_system_without_t_takes_no_time(name: str) -> None:
    """Every method that starts from a state says so by its name; none goes on without a word."""
    made, given = layer(name).double(), inputs(name)
    for method in ("forward", "forward_readout", "rollout", "rollout_readout", "check_step"):
        if hasattr(made, method):
            with pytest.raises(TypeError, match=rf"{method}\(\) of {made.__class__.__name__} takes no t0: t stands"):
                getattr(made, method)(state(name), **given, t0=0.3)


@pytest.mark.parametrize("name", STEPPING)
def test_a_trajectory_without_states_has_no_last_one(name: str) -> None:
    made = layer(name).double()
    empty = made.rollout(state(name), **inputs(name), steps=0)
    with pytest.raises(IndexError, match="holds no states"):
        _ = empty.last


@every
def test_one_tensor_in_and_one_out(name: str) -> None:
    made, given = layer(name).double(), inputs(name)
    family = FAMILIES[name]
    taken = family.fields[0] if not family.start else next(iter(family.inputs))
    x = fields(name)[0] if not family.start else given.pop(taken)
    read = nn.Sequential(made.sequential(**given), nn.Identity()).double()
    state = made(x, **given) if not family.start else made(**{taken: x}, **given)
    inside = {} if family.start == "state" else {**given, **({taken: x} if family.start else {})}
    wanted = made.readout(state, **inside)
    torch.testing.assert_close(read(x), wanted, rtol=1e-12, atol=1e-12)
    assert {id(p) for p in read.parameters()} == {id(p) for p in made.parameters()}
    for field in family.fields:
        assert torch.equal(made.sequential(field, **given)(x), getattr(state, field))
    with pytest.raises(ValueError, match="nothing_like_it"):
        made.sequential("nothing_like_it", **given)
    with pytest.raises(ValueError, match="nothing_like_it"):
        made.sequential(nothing_like_it=x, **given)
    if given.keys() - {"edge_index"}:
        with pytest.raises(ValueError, match="hands over one tensor"):
            made.sequential()


@every
def test_config_makes_the_layer_again(name: str) -> None:
    made = layer(name)
    again = kind(name).from_config(made.config)
    assert again.config == made.config
    assert not {"device", "dtype", "init"} & made.config.keys()
    again.load_state_dict(made.state_dict())
    on_meta = kind(name).from_config(made.config, device="meta", dtype=torch.float64)
    assert on_meta.config == made.config
    assert made.state_dict()["_extra_state"].dtype == torch.uint8
    with pytest.raises(TypeError, match=r"Surface\w* has no argument colour, spin; its arguments are channels"):
        kind(name).from_config({**made.config, "colour": 1}, spin=2)


@every
def test_what_is_set_later_is_checked_as_at_first(name: str) -> None:
    made = layer(name)
    for wrong in ("nonsense", None, "triton" if name == "graph" else "gpu"):
        with pytest.raises(ValueError, match="use one of"):
            made.backend = wrong
    made.backend = "torch"
    assert made.config["backend"] == "torch"
    for wrong in (2.5, "x", None, -3) if name in STEPPING else ():
        with pytest.raises(ValueError, match=r"steps=.* must be a whole number"):
            made.steps = wrong
    if [*made.parameters()]:
        with pytest.raises(TypeError, match=r"init= names initial values of parameters, as .*, not list"):
            layer(name, init=[1])
    held = next(iter(inputs(name)), None) or made.FIELDS[1]
    with pytest.raises(TypeError, match=f"{held} is a tensor, not float"):
        made.sequential(**{**inputs(name), held: 0.5})


@every
def test_the_backend_that_ran(name: str) -> None:
    """Without CPU kernels, which these tests switch off, the reference has run."""
    made = layer(name).double()
    run(name, made)
    assert made.last_backend == "torch"


@every
def test_frozen(name: str) -> None:
    """The same numbers, no gradient in parameters, nothing of parameters computed at a call; and back."""
    made = layer(name).double()
    with torch.no_grad():
        for i, x in enumerate(made.parameters()):
            x.add_(0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(i), dtype=x.dtype))
    trained, keys = [n for n, _ in made.named_parameters()], {*made.state_dict()}
    wanted = run(name, made)
    assert made.freeze() is made
    alike(run(name, made), wanted)
    assert not any(x.requires_grad for x in made.parameters())
    assert {*made.state_dict()} == keys
    alike(run(name, copy.deepcopy(made)), wanted)
    for n in trained:
        with pytest.raises(RuntimeError, match="frozen"):
            setattr(made, n.removeprefix("raw_"), 0.5)
    other = layer(name).double()
    kept = other.state_dict()
    made.load_state_dict(kept)  # makes what is kept anew
    alike(run(name, made), run(name, other))
    for n, x in made.float().named_buffers():
        assert n == "edge_index" or x.dtype == torch.float32
    made.double().freeze(False)
    assert [n for n, x in made.named_parameters() if x.requires_grad] == trained
    alike(run(name, made), run(name, other))


@pytest.mark.parametrize("name", ["lattice", "graph", "sequence", "coupled"])
def test_a_frozen_layer_computes_no_prologue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = layer(name).double()
    wanted = run(name, made)
    made.freeze()

    def fail(*_: Any) -> None:
        raise AssertionError("a prologue was computed")

    for method in made.HOISTED:
        monkeypatch.setattr(kind(name), method, fail)
    assert made.HOISTED
    alike(run(name, made), wanted)


def test_a_frozen_layer_takes_another_step_and_steps_of_samples() -> None:
    from generated.cifar import Cifar

    x, layers = torch.randn(2, 8, 4, 4), [Cifar(8).freeze(), Cifar(8)]
    for dt in (0.3, torch.tensor(0.2), torch.tensor([0.1, 0.4]), 0.5):
        for made in layers:
            made.dt = dt
        alike(layers[0](x), layers[1](x))
    alike(layers[0](x.double()), layers[1](x.double()))


@every
def test_what_compiles_goes_on_compiling(name: str) -> None:
    """Whole and frozen, handed a State; but what looks at numbers, which leaves the graph."""
    made, given = layer(name).double(), inputs(name)
    if name in ("implicit", "graph_steady"):
        pytest.skip("the reference of these solves looks at its residual")
    for frozen in (False, True):
        made.freeze(frozen)
        torch._dynamo.reset()
        compiled = torch.compile(made, fullgraph=True, backend="eager")
        for x, y in zip(compiled(state(name), **given), made(state(name), **given), strict=True):
            torch.testing.assert_close(x, y)


@every
def test_a_layer_is_copied_and_pickled(name: str) -> None:
    made = layer(name).double().freeze()
    alike(run(name, pickle.loads(pickle.dumps(made))), run(name, made))


@every
def test_no_name_of_a_spec_takes_the_place_of_what_a_layer_or_a_state_has(name: str) -> None:
    made, own = layer(name), {*FAMILIES[name].fields, *FAMILIES[name].inputs}
    parameters = {key.removeprefix("raw_") for key, _ in made.named_parameters()}
    taken = {n for n in (*dir(made), *vars(made.STATE)) if not n.startswith(("_", "raw_"))} - parameters - own
    free = [n for n in sorted(taken) if n not in ("dt", "count", "index") and not reserved(n)]
    assert free == []


def reserved(name: str) -> bool:
    try:
        check_name(name, "parameter")
    except SpecError:
        return True
    return False
