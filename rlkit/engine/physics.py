"""A physics engine in the middle of a step: rules whose motion is MuJoCo's.

A step is then: the rules' `control` writes `state.ctrl`; MuJoCo moves all copies on for `num_substeps`; the rules'
`step` reads where they are and returns the reward. The state's fields that have the names of MjData's are MuJoCo's:

    qpos, qvel, qacc_warmstart, act, time    its state, in our record: so a state is bytes as ever, and copying,
                                             restoring or writing the record moves the robot
    ctrl, xfrc_applied, mocap_pos, …         its inputs, which `control` and `reset` may write
    xpos, site_xpos, sensordata, …           what it computes of positions and velocities, for reading

Together the fields are MuJoCo's mjSTATE_INTEGRATION (less inputs that the rules never write), which is what an exact
restoration takes. `reset` of the rules sets qpos and qvel, and inputs of its own; the rest is set here.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.engine.bind import RulesError
from rlkit.engine.state import Field
from rlkit.extras import import_extra

_ZEROED = ("time", "act", "qacc_warmstart", "ctrl")  # when an episode begins, as by mj_resetData
_INPUTS = ("qfrc_applied", "xfrc_applied", "eq_active", "mocap_pos", "mocap_quat", "userdata")
_STATE = ("time", "qpos", "qvel", "qacc_warmstart", "act", "ctrl", *_INPUTS, "history", "plugin_state", "plastic")


@dataclass(frozen=True)
class Physics:
    """What MuJoCo moves; `PHYSICS` of an environment's rules.py.

    Args:
        path: of the model's XML file.
        num_substeps: steps of the physics in a step of the environment.
        configure: `configure(model, params)` writes params into an MjModel, from the values of the file.
        configured: names of the MjModel's fields that `configure` writes: then params may differ between copies.
    """

    path: Path
    num_substeps: int = 1
    configure: Callable[[Any, np.record], None] | None = None
    configured: tuple[str, ...] = ()

    def model(self, params: np.record) -> Any:
        """Return the MjModel under `params`.

        Raises:
            MissingExtraError: MuJoCo is not installed.
        """
        mujoco = _mujoco()
        model = mujoco.MjModel.from_xml_path(str(self.path))
        if self.configure is not None:
            self.configure(model, params)
            mujoco.mj_setConst(model, mujoco.MjData(model))
        return model

    def step_seconds(self, model: Any) -> float:
        """Return the seconds of simulated time in a step of the environment."""
        return float(model.opt.timestep) * self.num_substeps


def physics_fields(num_positions: int, num_velocities: int, num_controls: int) -> dict[str, Field]:
    """Return the fields that every state moved by MuJoCo needs, for `state_dtype(**physics_fields(…), …)`."""
    return {
        "time": np.float64,  # s since the episode began
        "qpos": (np.float64, (num_positions,)),  # m and rad, quaternions of free bodies
        "qvel": (np.float64, (num_velocities,)),  # m/s and rad/s
        "qacc_warmstart": (np.float64, (num_velocities,)),  # where the solver of contacts begins
        "ctrl": (np.float64, (num_controls,)),  # of the actuators, as the model declares them
    }


def _mujoco() -> Any:
    return import_extra("mujoco", "mujoco", "a robot moved by MuJoCo needs mujoco-core")


class Simulation:
    """MuJoCo's copies beside the states of a batch.

    Args:
        physics: what is simulated.
        states: the batch's live state records [N].
        params: the record [1] of all copies; where a level draws params, these are in the states.
        threads: that step the copies.

    Raises:
        MissingExtraError: MuJoCo is not installed.
        RulesError: the state's fields do not fit the model.
    """

    def __init__(self, physics: Physics, states: np.ndarray, params: np.ndarray, threads: int):
        mujoco = _mujoco()
        batch_module = import_extra("mujoco.batch", "mujoco", "a robot moved by MuJoCo needs mujoco-core 4")
        self.physics, self._states = physics, states
        is_drawn = "drawn" in (states.dtype.names or ())
        self.model = physics.model(params[0]["drawn"] if is_drawn else params[0])
        # persistent: a step then goes on from the kinematics that the last one ended with
        self.batch = batch_module.Batch(self.model, len(states), min(threads, len(states)), persistent=True)
        names = [name for name in states.dtype.names or () if name in batch_module.DATA_FIELDS]
        self._inward = [name for name in names if name in _STATE]
        _check_fields(mujoco, self.model, states.dtype, names)
        self._live = {name: self.batch.bind(name) for name in names}
        self._zeroed = [name for name in _ZEROED if name in names]
        has_outputs = len(names) > len(self._inward)
        self._stage = int(mujoco.mjtStage.mjSTAGE_VEL) if has_outputs else 0  # what the outputs are computed by
        self._seen: np.ndarray | None = None  # drawn params that the copies' models have; None: one model for all
        if is_drawn:
            self._expanded = {name: self.batch.expand(name) for name in physics.configured}
            self._nominal = mujoco.MjModel.from_xml_path(str(physics.path))
            self._seen = np.zeros_like(states["drawn_words"])

    def advance(self) -> None:
        """Move every copy on for one step of the environment."""
        self._configure()
        self._push(slice(None))
        self.move()
        self._pull(slice(None))

    def move(self) -> None:
        """Move MuJoCo's copies, without ours: all that takes long."""
        self.batch.step(nstep=self.physics.num_substeps, stage=self._stage)

    def begin(self, fresh: np.ndarray) -> None:
        """Complete the states of the copies `fresh` (indices), which the rules have just reset."""
        for name in self._zeroed:
            self._states[name][fresh] = 0.0
        if self._stage:
            self._configure()
            self._push(fresh)
            self.batch.forward(fresh, self._stage)
            self._pull(fresh)

    def _push(self, where: slice | np.ndarray) -> None:
        for name in self._inward:
            self._live[name][where] = self._states[name][where]

    def _pull(self, where: slice | np.ndarray) -> None:
        for name, values in self._live.items():
            self._states[name][where] = values[where]

    def _configure(self) -> None:
        """Give copies that have drawn other params the model that belongs to them."""
        if self._seen is None or self.physics.configure is None:
            return
        drawn = self._states["drawn_words"]
        changed = np.flatnonzero((drawn != self._seen).any(axis=1))
        if not changed.size:
            return
        for i in changed:
            model = copy(self._nominal)
            self.physics.configure(model, self._states[i]["drawn"])
            for name, values in self._expanded.items():
                values[i] = getattr(model, name)
        self.batch.set_const(changed)
        self._seen[changed] = drawn[changed]


def simulation_of(rules: Any, states: np.ndarray, params: np.ndarray, threads: int) -> Simulation | None:
    """Return the simulation that the rules' PHYSICS asks for, or None where motion is the rules' own."""
    physics = getattr(rules, "PHYSICS", None)
    return None if physics is None else Simulation(physics, states, params, threads)


def _check_fields(mujoco: Any, model: Any, dtype: np.dtype, names: Sequence[str]) -> None:
    """Raise RulesError unless the state has what MuJoCo's state needs, in its shapes."""
    data = mujoco.MjData(model)
    for name in _STATE:
        size = np.size(getattr(data, name, ()))
        if size and name not in names and name not in _INPUTS:
            raise RulesError(f"STATE lacks the field {name}=(np.float64, ({size},)), a part of MuJoCo's state")
    for name in names:
        shape = np.shape(getattr(data, name))
        if dtype[name].shape != shape:
            raise RulesError(f"STATE's field {name!r} has shape {dtype[name].shape}; MuJoCo's has {shape}")
