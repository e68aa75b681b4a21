"""Environments whose params vary from episode to episode, and who act late on late, noisy observations.

A level may give a param a `Range` instead of a number: each copy then draws it at each reset, from its own stream, and
keeps it in its state, so that snapshots, forks and resumes hold for it too. Every environment of one player also has
the params of `DISTURBANCES`. What varies is `rlkit.engine.varied` around the environment's rules; where nothing does,
the rules run as they are, as fast as ever.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from gymnasium import spaces

from rlkit.engine.state import make_params, param_names, record_dtype

if TYPE_CHECKING:
    from rlkit.environment import Environment

MAX_DELAY = 8  # steps
FIXED, UNIFORM, LOG_UNIFORM, WHOLE = range(4)  # how a param is drawn
DISTURBANCES = {
    "action_delay": 0,  # steps between the choice of an action and what it does
    "obs_delay": 0,  # steps by which observations are old
    "obs_noise": 0.0,  # standard deviation of what is added to each number of an observation
}


@dataclass(frozen=True)
class Range:
    """Values that a param takes: each episode draws one.

    Args:
        low, high: the least and the greatest; of a whole param both can be drawn.
        distribution: "uniform", or "log_uniform" for scales such as masses over several orders.
        unit: for people.

    Raises:
        ValueError: there is nothing between `low` and `high`, or no logarithm of them.
    """

    low: float
    high: float
    distribution: Literal["uniform", "log_uniform"] = "uniform"
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"the range {self.low:g} to {self.high:g} must have its smaller end first")
        if self.distribution not in ("uniform", "log_uniform"):
            raise ValueError(f"distribution={self.distribution!r} must be 'uniform' or 'log_uniform'")
        if self.distribution == "log_uniform" and self.low <= 0:
            raise ValueError(f"a log_uniform range must begin above 0, not at {self.low:g}")


def nominal(preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of a level that rules know, and that it does not draw."""
    return {name: value for name, value in preset.items() if name not in DISTURBANCES and not isinstance(value, Range)}


def ranges(preset: Mapping[str, Any]) -> dict[str, Range]:
    """Return what a level draws."""
    return {name: value for name, value in preset.items() if isinstance(value, Range)}


def is_whole(environment: "Environment", name: str) -> bool:
    """Return whether a param, or one of `DISTURBANCES`, is a whole number."""
    return bool(np.issubdtype(_model(environment.base_rules.PARAMS).dtype[name], np.integer))


def varied(environment: "Environment", preset: Mapping[str, Any]) -> "tuple[Environment, np.recarray, np.recarray]":
    """Return the environment that runs under `preset` (numbers and ranges by param), its params record [1] and the
    nominal one [1].

    Where nothing varies or disturbs they are `environment` itself and one record.

    Raises:
        ValueError: a param, a range or a delay that the environment cannot have.
    """
    base = make_params(environment.rules.PARAMS, nominal(preset))
    disturbs = any(preset.get(name) for name in DISTURBANCES)
    if not (disturbs or ranges(preset)):
        return environment, base, base
    observation_space, action_space = environment.spaces(base[0])
    _check(environment, observation_space, preset)
    fixed = {name: preset.get(name, 0) for name in DISTURBANCES if name not in ranges(preset)}
    model = make_params(_model(base), fixed)
    rules = _rules(environment, observation_space, action_space)
    params = _varied_params(rules.PARAMS, model, ranges(preset))
    params["idle"] = _idle(environment, action_space)
    seen: Any = observation_space
    unbounded = spaces.Box(-np.inf, np.inf, seen.shape, seen.dtype)  # noise has no bounds
    around = replace(environment, varied_rules=rules, observation_space=unbounded, action_space=action_space)
    return around, params, base


def base_states(environment: "Environment", states: np.ndarray) -> np.ndarray:
    """Return the states [N] of a varied environment as its own rules have them, for who plans by nominal params."""
    return states if environment.varied_rules is None else _part(states, environment.base_rules.STATE)


def episode_params(environment: "Environment", states: np.ndarray) -> np.ndarray:
    """Return the params records [N] of the episodes that `states` [N] of a varied environment are in."""
    return _part(states["drawn"], environment.base_rules.PARAMS.dtype)


def _part(records: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the fields of `dtype`, which `records` [N] have among others, as records of it."""
    part = np.zeros(records.shape, dtype)
    for name in dtype.names or ():
        part[name] = records[name]
    return part


# --- inside -----------------------------------------------------------------------------------------------------


def _check(environment: "Environment", observation_space: Any, preset: Mapping[str, Any]) -> None:
    name = environment.name
    if environment.num_players != 1:
        raise ValueError(f"{name} has two players: {', '.join(DISTURBANCES)} and ranges are for one")
    if not isinstance(observation_space, spaces.Box) or not np.issubdtype(observation_space.dtype, np.floating):
        raise ValueError(f"{name}'s observations are {observation_space}; only a Box of reals can be delayed or noisy")
    for delay in ("action_delay", "obs_delay"):
        value = preset.get(delay, 0)
        ends = (value.low, value.high) if isinstance(value, Range) else (value, value)
        if not all(end == int(end) and 0 <= end <= MAX_DELAY for end in ends):
            raise ValueError(f"{delay}={value} must be whole steps, 0 to {MAX_DELAY}")
    noise = preset.get("obs_noise", 0.0)
    if (noise.low if isinstance(noise, Range) else noise) < 0:
        raise ValueError(f"obs_noise={noise} must be at least 0")


def _idle(environment: "Environment", action_space: Any) -> Any:
    """Return what is done before the first delayed action arrives."""
    if isinstance(action_space, spaces.Discrete):
        return environment.idle_action
    return np.clip(0, action_space.low, action_space.high) if isinstance(action_space, spaces.Box) else 0


def _fields(dtype: np.dtype) -> list[tuple]:
    return [(name, dtype[name].base, dtype[name].shape) for name in dtype.names or ()]


def _model(defaults: np.ndarray) -> np.recarray:
    """Return a params record [1] of an environment's rules with the disturbances before."""
    extra = [(name, np.int64 if isinstance(value, int) else np.float64) for name, value in DISTURBANCES.items()]
    model = np.zeros(1, record_dtype(*extra, *_fields(defaults.dtype)))  # in this order Numba takes it for no subtype
    for name in defaults.dtype.names or ():
        model[name] = defaults[name]
    return model.view(np.recarray)


def _plain(dtype: np.dtype) -> np.dtype:
    """Return a record dtype as a field of another can have it: np.record around it would lose its alignment."""
    return np.dtype(_fields(dtype), align=True)


def _overlaid(dtype: np.dtype, *views: tuple[str, Any, str, tuple[int, ...]]) -> np.dtype:
    """Return `dtype` with further fields (name, type, field, shape) that are the bytes of `field`."""
    names = [*(dtype.names or ()), *(view[0] for view in views)]
    formats = [*(dtype[name] for name in dtype.names or ()), *((kind, shape) for _, kind, _, shape in views)]
    offsets = [dtype.fields[name][1] for name in (*(dtype.names or ()), *(view[2] for view in views))]  # type: ignore[index]
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": dtype.itemsize}
    return np.dtype((np.record, np.dtype(layout, align=True)))


def _rules(environment: "Environment", observation_space: Any, action_space: Any) -> types.ModuleType:
    """Return the varied rules of an environment, with STATE and PARAMS."""
    from rlkit.engine import varied as around
    from rlkit.engine.bind import bind

    base = environment.rules
    model, slots = _plain(_model(base.PARAMS).dtype), MAX_DELAY + 1
    is_discrete = isinstance(action_space, spaces.Discrete)
    action_shape = () if is_discrete else action_space.shape
    mask_size = int(action_space.n) if is_discrete and environment.has_action_mask else 0
    state = record_dtype(
        ("drawn", model), *_fields(base.STATE),
        ("past_actions", np.dtype(action_space.dtype), (slots, *action_shape)),
        ("past_obs", observation_space.dtype, (slots, *observation_space.shape)),
        ("legal", np.int8, (mask_size,)),
    )  # fmt: skip
    words = (model.itemsize // 8,)
    bound = bind(around, base)
    bound.step = bound.step_discrete if is_discrete else bound.step_box  # type: ignore[attr-defined]
    rules = types.ModuleType(bound.__name__)  # where loops import its functions from; the records are this space's
    vars(rules).update(vars(bound))
    rules.STATE = _overlaid(  # type: ignore[attr-defined]
        state, ("drawn_words", np.uint64, "drawn", words), ("drawn_reals", np.float64, "drawn", words),
        ("drawn_whole", np.int64, "drawn", words),
    )  # fmt: skip
    params = record_dtype(
        ("drawn", model), ("kinds", np.int64, words), ("lows", np.float64, words), ("highs", np.float64, words),
        ("idle", np.dtype(action_space.dtype), action_shape or (1,)),
    )  # fmt: skip
    overlaid = _overlaid(params, ("words", np.uint64, "drawn", words))
    rules.PARAMS = np.zeros(1, overlaid).view(np.recarray)  # type: ignore[attr-defined]
    if not mask_size:
        del rules.action_mask
    return rules


def _varied_params(defaults: np.recarray, model: np.recarray, drawn: Mapping[str, Range]) -> np.recarray:
    params = np.array(defaults).view(np.recarray)
    for name in model.dtype.names or ():
        params["drawn"][name] = model[name]
    for name, values in drawn.items():
        if name not in param_names(model) or model.dtype[name].shape:
            raise ValueError(f"there is no param {name!r} to draw")
        word = model.dtype.fields[name][1] // 8  # type: ignore[index]
        is_whole = np.issubdtype(model.dtype[name], np.integer)
        params["kinds"][0, word] = WHOLE if is_whole else UNIFORM if values.distribution == "uniform" else LOG_UNIFORM
        params["lows"][0, word], params["highs"][0, word] = values.low, values.high
    return params
