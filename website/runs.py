"""Which run of a system of the gallery its picture shows; by default that of ``metrigen simulate``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Options of ``metrigen simulate``."""

    set_to: tuple[str, ...] = ()
    param: tuple[str, ...] = ()
    size: tuple[int, ...] | None = None
    steps: int = 200
    every: int = 5

    def command(self, spec: str) -> list[str]:
        """The command line of the run."""
        words = ["metrigen", "simulate", spec]
        for option, values in (("--set", self.set_to), ("--param", self.param)):
            words += [word for value in values for word in (option, value)]
        words += ["--size", ",".join(map(str, self.size))] if self.size else []
        words += ["--steps", str(self.steps)] if self.steps != 200 else []
        return words + (["--every", str(self.every)] if self.every != 5 else [])


RUNS = {
    "d_linoss": Run(set_to=("u=1",)),
    "driven_graph": Run(set_to=("s=cos(t)",)),
    "euler_vorticity": Run(size=(24, 24), steps=60),
    "fokker_planck": Run(set_to=("V=(x - Lx/2)**2/400",)),
    "forced_string": Run(set_to=("f=exp(-(x - Lx/4)**2)",)),
    "graded_hopfield": Run(set_to=("b=noise",)),
    "graph_kuramoto": Run(set_to=("omega=noise",)),
    "ground_heat": Run(set_to=("s=gauss",)),
    "hasegawa_mima": Run(size=(24, 24), steps=60),
    "heisenberg_chain": Run(size=(24,), steps=60),
    "henon_heiles": Run(set_to=("q1=0.2", "q2=0.3"), steps=600),
    "josephson_junction": Run(set_to=("I=0.5",)),
    "kdv": Run(set_to=("u=2/cosh(x - Lx/4)**2",), steps=2000, every=50),
    "kepler": Run(steps=600),
    "linoss": Run(set_to=("u=1",)),
    "low_pass": Run(set_to=("v=sin(t)",)),
    "moving_trap": Run(set_to=("X=sin(t)",)),
    "ohta_kawasaki": Run(set_to=("u=noise",), size=(24, 24), steps=20),
    "selective_decay": Run(size=(24, 24), steps=60),
    "spin_resonance": Run(steps=60),
    "swift_hohenberg": Run(set_to=("u=noise",)),
    "cahn_hilliard": Run(set_to=("u=noise",), steps=600),
    "thermo_wave": Run(size=(32,), steps=60),
    "total_variation": Run(set_to=("f=noise",), size=(24, 24), steps=20),
    "tracer": Run(set_to=("psi=sin(2*pi*x/Lx)*sin(2*pi*y/Ly)",)),
    "unicornn": Run(set_to=("u=1",)),
    "viscoelastic_oscillator": Run(steps=60),
    "vlasov": Run(set_to=("phi=cos(2*pi*x/Lx)",), steps=100),
    "wave_guide": Run(set_to=("s=Heaviside(x - 9)",)),
    "wave_source": Run(set_to=("s=gauss",)),
}
