"""Where the arm moves: the simulator of gymnasium and MuJoCo (extra ``control``), or one of our own for tests.

A state is (q, r, q', r'), the angles and speeds of shoulder and elbow; an action two numbers in [-1, 1], which hold for
a step of 0.02 s. The elbow stops at |r| = 3, which no Lagrangian of the arm knows of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from generated.reacher import Reacher
from generated.reacher_learned import ReacherLearned
from trainers.reacher_models import STEP, Arm
from trainers.trajectories import Trajectories

LINKS = (0.10, 0.11)  # from joint to joint to fingertip, in metres
LIMIT = 3.0  # of the elbow, in radians
REACH = 0.2  # goals lie in a disk of this radius
EPISODE = 50  # steps


class WorldError(RuntimeError):
    """A simulator that is not there: says how to get it."""


class World(Protocol):
    """What a simulator does for many arms at once."""

    def begin(self, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """States (N, 4) and goals (N, 2) of fresh episodes, a function of their seeds alone."""

    def step(self, states: Tensor, actions: Tensor) -> Tensor:
        """The states after one step under actions (N, 2)."""

    def truth(self) -> dict[str, float]:
        """The numbers of the spec that the simulator has."""

    def force(self, angles: Tensor) -> Tensor:
        """What it does to an arm at rest without torques, (N, 2) in N m of angles (N, 2)."""


def fingertip(states: Tensor) -> Tensor:
    """Where the fingertip is, (..., 2) of states (..., 4)."""
    q, both = states[..., 0], states[..., 0] + states[..., 1]
    return torch.stack(
        [LINKS[0] * q.cos() + LINKS[1] * both.cos(), LINKS[0] * q.sin() + LINKS[1] * both.sin()], -1
    )  # fmt: skip


def free_of_limit(states: Tensor) -> Tensor:
    """Whether the elbow can have touched its stop neither in the step before a state nor in the one after, (...)."""
    return states[..., 1].abs() + STEP * states[..., 3].abs() < LIMIT


def random_episodes(world: World, seeds: Sequence[int]) -> Trajectories:
    """An episode of uniformly random actions for every seed."""
    states = [world.begin(seeds)[0]]
    drawn = [np.random.default_rng([seed, 1]).uniform(-1, 1, (EPISODE, 2)) for seed in seeds]
    actions = torch.from_numpy(np.stack(drawn))
    for k in range(EPISODE):
        states.append(world.step(states[-1], actions[:, k]))
    return Trajectories(torch.stack(states, 1), actions)


class Mujoco:
    """Reacher-v5. Raises WorldError where gymnasium or mujoco is missing."""

    def __init__(self) -> None:
        try:
            import gymnasium

            self.environment: Any = gymnasium.make("Reacher-v5")
        except ImportError as error:
            raise WorldError(
                f"{error}: the simulator is the extra control, pip install '.[train,control]'; --world own needs none"
            ) from error
        self.arm: Any = self.environment.unwrapped

    def begin(self, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        states, goals = [], []
        for seed in seeds:
            self.environment.reset(seed=seed)
            states.append(self._state())
            goals.append(self.arm.get_body_com("target")[:2].copy())
        return torch.from_numpy(np.stack(states)), torch.from_numpy(np.stack(goals))

    def step(self, states: Tensor, actions: Tensor) -> Tensor:
        after = []
        for state, action in zip(states.numpy(), actions.numpy(), strict=True):
            data = self.arm.data
            data.qacc_warmstart[:] = 0  # the same step, whatever was simulated before
            self.arm.set_state(np.r_[state[:2], data.qpos[2:]], np.r_[state[2:], 0.0, 0.0])
            self.arm.do_simulation(action, self.arm.frame_skip)
            after.append(self._state())
        return torch.from_numpy(np.stack(after))

    def truth(self) -> dict[str, float]:
        model, data = self.arm.model, self.arm.data
        inertia = {}
        for r in (0.0, math.pi / 2):
            self.arm.set_state(np.r_[0.0, r, data.qpos[2:]], np.zeros(4))
            inertia[r] = self._inertia()
        straight, bent = inertia.values()
        c = float(bent[0, 1])
        found = {"a": float(bent[0, 0]) - c, "b": float(bent[1, 1]) - c, "c": c, "k": float(straight[0, 1]) - c}
        damping = model.dof_damping
        return found | {"d_q": float(damping[0]), "d_r": float(damping[1]), "u": 0.0, "v": 0.0}

    def force(self, angles: Tensor) -> Tensor:
        stiffness = torch.from_numpy(self.arm.model.jnt_stiffness[:2].copy())
        return -stiffness * angles  # springs are at rest at 0

    def _inertia(self) -> np.ndarray:
        import mujoco

        full = np.zeros((self.arm.model.nv, self.arm.model.nv))
        mujoco.mj_fullM(self.arm.model, self.arm.data, full)
        inertia: np.ndarray = full[:2, :2]
        return inertia

    def _state(self) -> np.ndarray:
        state: np.ndarray = np.r_[self.arm.data.qpos[:2], self.arm.data.qvel[:2]]
        return state


class Sprung(Mujoco):
    """Reacher-v5 with a spring at the elbow, which no term of the spec stands for. Raises WorldError as Mujoco does."""

    def __init__(self, stiffness: float = 40.0) -> None:
        super().__init__()
        self.arm.model.jnt_stiffness[1] = stiffness  # N m a radian


class Own:
    """The emitted layer with numbers of its own and four steps in the place of one; its elbow has no stop.

    spring   N m: V = spring log cosh(r), a spring at the elbow that pulls with no more than this, and is in no spec
    """

    NUMBERS: ClassVar = {"a": 1.0, "b": 1.0, "c": 2e-4, "k": 3e-4, "u": 0.0, "v": 0.0, "d_q": 1.0, "d_r": 1.0}

    def __init__(self, spring: float = 0.0, **numbers: float) -> None:
        self.numbers = self.NUMBERS | numbers
        layer: Reacher | ReacherLearned
        if spring:
            layer = ReacherLearned(1, init=self.numbers, dtype=torch.float64, dt=STEP / 4)
            unit = torch.zeros_like(layer.V)
            unit[0, 0, 2], unit[0, 0, -1] = 1.0, spring  # weight of r, gain
            layer.V = unit
        else:
            layer = Reacher(1, init=self.numbers, dtype=torch.float64, dt=STEP / 4)
        self.arm = Arm(layer, finer=4)

    def begin(self, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        states, goals = [], []
        for seed in seeds:
            rng = np.random.default_rng([seed, 0])
            states.append(np.r_[rng.uniform(-0.1, 0.1, 2), rng.uniform(-0.005, 0.005, 2)])
            angle, radius = rng.uniform(-math.pi, math.pi), REACH * math.sqrt(rng.uniform())
            goals.append([radius * math.cos(angle), radius * math.sin(angle)])
        return torch.from_numpy(np.stack(states)), torch.tensor(goals, dtype=torch.float64)

    @torch.no_grad()
    def step(self, states: Tensor, actions: Tensor) -> Tensor:
        after: Tensor = self.arm(states, actions[:, None])[:, -1]
        return after

    def truth(self) -> dict[str, float]:
        return dict(self.numbers)

    @torch.no_grad()
    def force(self, angles: Tensor) -> Tensor:
        return self.arm.force(angles)


WORLDS: dict[str, type[Mujoco] | type[Own]] = {"mujoco": Mujoco, "sprung": Sprung, "own": Own}
