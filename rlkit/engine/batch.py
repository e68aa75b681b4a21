"""BatchEnv: one declaration as a gymnasium.vector.VectorEnv of N copies stepped by compiled loops."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlkit.engine import kernels
from rlkit.engine.actions import ActionCheck
from rlkit.engine.arguments import autoreset_mode_of, check_choices, reset_mask_of, seeds_of
from rlkit.engine.bind import bind, compiling
from rlkit.engine.goals import GoalRewards, goal_space, split
from rlkit.engine.observations import as_obs, copy_obs, obs_buffer
from rlkit.engine.physics import simulation_of
from rlkit.engine.state import record_dtype
from rlkit.engine.turns import PlanningOpponent, check_replies, resolve_opponent
from rlkit.engine.variation import base_states, episode_params, varied
from rlkit.environment import Environment

# The engine's notes on the episode each copy is in; with the state they are all that decides the future.
EPISODE = record_dtype(
    ("draw", np.uint64),  # random bits of this episode: which opponent of a pool
    ("episode_return", np.float64),
    ("episode_length", np.int32),  # our own steps
    ("seat", np.int8),  # the player we are, +1 or −1; 0: every player
    ("is_done", np.int8),  # waits for a reset
    ("final_player", np.int8),  # who was to move when the last episode ended
)

MIN_SLICE = 256  # copies; below this a thread costs more than it saves

_MODES = {
    AutoresetMode.NEXT_STEP: kernels.NEXT_STEP,
    AutoresetMode.SAME_STEP: kernels.SAME_STEP,
    AutoresetMode.DISABLED: kernels.DISABLED,
}


@dataclass(frozen=True)
class Snapshot:
    """Copies of all that decides a batch's future: `states` [N] and `episodes` [N] records."""

    states: np.ndarray
    episodes: np.ndarray


class BatchEnv(VectorEnv):
    """N copies of an environment stepped together by compiled loops.

    Rewards are float64 [N], `terminated` and `truncated` bool [N]. `info["action_mask"]` is int8 [N, A] where
    the rules have masks; in `opponent="self"` games `info["player"]` is the player (+1/−1) to move. A masked
    action ends its copy's episode with the environment's `illegal_reward` and `info["illegal_action"]`.

    Args:
        environment: the declaration.
        num_envs: number of copies, N.
        level: a preset of params of the environment; further keywords change single params.
        opponent: two-player games: "random", "self" (one step is one ply, everything from the mover's side),
            the name of one of the yardstick's policies such as "solver", a run folder, or a policy. Seats
            alternate from episode to episode; an opponent never changes within one.
        autoreset_mode: "next_step", "same_step" or "disabled" (then reset with
            `options={"reset_mask": bool [N]}`), or Gymnasium's enum.
        episode_stats: give returns `r`, lengths `l` and the metrics of ended episodes as `info["episode"]`.
        threads: slices of the batch stepped at once; fewer where a slice would have under `MIN_SLICE` copies.
        copy: return fresh arrays; False returns the buffers, which the next step overwrites.
        illegal_actions: "lose" or "raise".
        flat_obs: of a goal environment give the flat array instead of a Dict of its three parts.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: an argument is outside what is listed here.
        RulesError: the rules cannot be compiled.
    """

    def __init__(
        self,
        environment: Environment,
        num_envs: int,
        *,
        level: str = "standard",
        opponent: Any = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        episode_stats: bool = False,
        threads: int = 1,
        copy: bool = True,
        illegal_actions: str = "lose",
        flat_obs: bool = False,
        render_mode: str | None = None,
        **params: float,
    ):
        check_choices(num_envs, threads, illegal_actions, render_mode)
        preset = environment.preset(level, **params)
        self.environment, self.params, self.nominal_params = varied(environment, preset)
        environment, self.num_envs = self.environment, num_envs
        self.render_mode = render_mode
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        self.metadata = {
            "autoreset_mode": self.autoreset_mode,
            "render_modes": ["rgb_array"],
            "render_fps": round(1 / environment.frame_seconds),
        }
        self._flat_space, self.single_action_space = environment.spaces(self.params[0])
        self._goal_size = 0 if flat_obs else environment.goal_size
        self.single_observation_space = (
            goal_space(self._flat_space, self._goal_size) if self._goal_size else self._flat_space
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.opponent = resolve_opponent(environment, opponent)
        self._copy = copy
        self._episode_stats = episode_stats
        self._mode = _MODES[self.autoreset_mode]
        self._is_reset = False
        self._goal_rewards: GoalRewards | None = None
        self.kernels = bind(kernels, environment.rules)
        self._check = ActionCheck(self.single_action_space, num_envs, self.kernels, raises=illegal_actions == "raise")
        if self.opponent is not None and not self._check.num_actions:
            raise ValueError(f"{environment.name}: an opponent needs a Discrete action space; use opponent='self'")
        self._make_buffers()
        if isinstance(self.opponent, PlanningOpponent):
            self.opponent.states, self.opponent.params = self.states, self.params[0]
        num_slices = max(1, min(threads, num_envs // MIN_SLICE))
        edges = [num_envs * i // num_slices for i in range(num_slices + 1)]
        self._slices = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self._pool = ThreadPoolExecutor(num_slices) if num_slices > 1 else None
        self.simulation = simulation_of(environment.base_rules, self.states, self.params, threads)
        with compiling(self.kernels, environment.id, "step_copies" if self.opponent is None else "our_ply"):
            self._warm_up()

    # --- Gymnasium ----------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes; an int `seed` seeds copy i with seed + i, a list each copy by itself.

        `options={"reset_mask": bool [N]}` resets only the marked copies. Without a seed the copies go on with
        their own streams (drawn from the system's entropy at the first reset).
        """
        where = reset_mask_of(options, self.num_envs)
        if not self._is_reset and not where.all():
            raise ResetNeeded("the first reset must reset every copy; leave `reset_mask` out")
        seeds, seeded = seeds_of(seed, self.num_envs, not self._is_reset)
        seeded &= where
        kernel = self.kernels
        if seeded.any():
            self._run(kernel.seed_copies, self.states, self.episodes, seeded, seeds, self.opponent is not None)
        self._run(kernel.reset_copies, *self._core, self.episodes, where, self._obs, self._masks)
        for array in (self._rewards, self._terminated, self._truncated):
            array[where] = 0
        self._is_reset = True
        self._complete(where)
        if self.opponent is not None:
            self._fresh[:] = True
            waiting = self._run(kernel.awaiting_opponent, self.states, self.episodes, where, self._waiting)
            self._let_opponent_move(sum(waiting))
            self._run(kernel.observe_copies, *self._core, self._obs, self._masks)
        return self._out(self._obs), self._info(num_done=0, num_illegal=0)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every copy once: (obs [N, …], rewards [N], terminated [N], truncated [N], info).

        Raises:
            ValueError: an action is outside the space, or masked under `illegal_actions="raise"`; no copy moved.
            ResetNeeded: `reset` was not called, or a finished copy was not reset under DISABLED.
        """
        if not self._is_reset:
            raise ResetNeeded("call reset() before step()")
        if self._mode == kernels.DISABLED and self.episodes["is_done"].any():
            done = np.flatnonzero(self.episodes["is_done"])
            raise ResetNeeded(f"copy {done[0]} has finished its episode; reset it before step()")
        num_illegal = self._check(actions, self._masks, self.episodes)
        num_done = self._step_alone() if self.opponent is None else self._step_against_opponent()
        info = self._info(num_done, num_illegal)
        if self._copy:
            flags = (self._rewards.copy(), self._terminated.copy(), self._truncated.copy())
        else:
            flags = (self._rewards, self._terminated, self._truncated)
        return self._out(self._obs), *flags, info

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any = None) -> Any:
        """Return the rewards [...] of a goal environment for goals [..., K] reached where others were wanted."""
        if self._goal_rewards is None:  # compiled only where it is asked for
            self._goal_rewards = GoalRewards(self.environment, self.nominal_params)
        return self._goal_rewards(achieved_goal, desired_goal)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return one uint8 [H, W, 3] picture a copy, under `render_mode="rgb_array"`."""
        if self.render_mode is None:
            return None
        from rlkit.viewing.canvas import draw_frame

        states = base_states(self.environment, self.states)
        return tuple(draw_frame(self.environment, state, self.params_of(i)) for i, state in enumerate(states))

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    # --- states -------------------------------------------------------------------------------------------------

    @property
    def num_slices(self) -> int:
        """Into how many slices, one a thread, the batch is cut."""
        return len(self._slices)

    def params_of(self, copy: int) -> np.record:
        """Return the params of the episode that a copy is in."""
        if self.environment.varied_rules is None:
            return self.params[0]
        return episode_params(self.environment, self.states[copy : copy + 1])[0]

    @property
    def actions(self) -> np.ndarray:
        """The buffer that `step` copies its actions into, [N, …]."""
        return self._check.actions

    def snapshot(self) -> Snapshot:
        """Return copies of all that decides the future of this batch."""
        return Snapshot(self.states.copy(), self.episodes.copy())

    def restore(self, snapshot: Snapshot) -> tuple[Any, dict[str, Any]]:
        """Go back to a snapshot of an equal batch and return (obs, info) there.

        Raises:
            ValueError: the snapshot is of other rules or another number of copies.
        """
        for mine, its in ((self.states, snapshot.states), (self.episodes, snapshot.episodes)):
            if its.dtype != mine.dtype or its.shape != mine.shape:
                raise ValueError(
                    f"the snapshot holds {its.shape[0]} copies of {its.dtype.itemsize} bytes, this batch of "
                    f"{self.environment.id} {mine.shape[0]} copies of {mine.dtype.itemsize}"
                )
            mine[...] = its
        self._is_reset = True
        self._run(self.kernels.observe_copies, *self._core, self._obs, self._masks)
        return self._out(self._obs), self._info(num_done=0, num_illegal=0)

    # --- inside -------------------------------------------------------------------------------------------------

    def _make_buffers(self) -> None:
        count, environment = self.num_envs, self.environment
        mask_size = self._check.num_actions if environment.has_action_mask else 0
        self.states = np.zeros(count, environment.rules.STATE)
        self.episodes = np.zeros(count, EPISODE)
        self._core = (self.states, self.params, 0)
        self._obs = obs_buffer(self._flat_space, count)
        self._masks = np.ones((count, mask_size), np.int8)
        self._final_obs = obs_buffer(self._flat_space, count)
        self._final_masks = np.ones((count, mask_size), np.int8)
        self._rewards = np.zeros(count)
        self._terminated = np.zeros(count, np.bool_)
        self._truncated = np.zeros(count, np.bool_)
        self._stats = np.zeros((count, 2 + len(environment.metrics)))
        self._waiting = np.zeros(count, np.bool_)  # the opponent is to move
        self._fresh = np.zeros(count, np.bool_)  # the episode began at this step
        self._uniforms = np.zeros(count)
        self._replies = np.zeros(count, np.int64)
        self._limits = (environment.illegal_reward, environment.max_steps or 0)
        self._results = (self._rewards, self._terminated, self._truncated)
        self._finals = (self._final_obs, self._final_masks, self._stats)
        self._all = np.ones(count, np.bool_)
        self._step_arguments = self.step_arguments()

    def _run(self, kernel: Callable, *args: Any) -> list[Any]:
        """Call a kernel on each slice; per-copy arrays are those with N rows."""
        if self._pool is None:
            return [kernel(*args)]
        parts = [[_part(arg, part, self.num_envs) for arg in args] for part in self._slices]
        return [future.result() for future in [self._pool.submit(kernel, *part) for part in parts]]

    def step_arguments(self) -> tuple[Any, ...]:
        """Return the arguments of the compiled loop `step_copies`, for whoever times it bare; all are live buffers."""
        return (
            *self._core, self.episodes, self._check.actions, self._check.illegal, self._mode, *self._limits,
            self._obs, self._masks, *self._results, *self._finals,
        )  # fmt: skip

    def _step_alone(self) -> int:
        if self.simulation is None:
            return sum(self._run(self.kernels.step_copies, *self._step_arguments))
        fresh = self.episodes["is_done"] != 0  # under NEXT_STEP these begin anew
        self._run(self.kernels.control_copies, *self._core, self.episodes, self._check.actions)
        self.simulation.advance()
        num_done = sum(self._run(self.kernels.step_copies, *self._step_arguments))
        self._complete(self._terminated | self._truncated if self._mode == kernels.SAME_STEP else fresh)
        return num_done

    def _complete(self, fresh: np.ndarray) -> None:
        """Let the physics do its part of the states whose episode has just begun, and observe them again."""
        if self.simulation is not None and fresh.any():
            self.simulation.begin(np.flatnonzero(fresh))
            self._run(self.kernels.complete_copies, *self._core, fresh, self._obs, self._masks)

    def _step_against_opponent(self) -> int:
        kernel, core, turn = self.kernels, self._core, (self._waiting, self._fresh)
        waiting = self._run(
            kernel.our_ply, *core, self.episodes, self._check.actions, self._check.illegal, *self._limits,
            *self._results, *turn,
        )  # fmt: skip
        self._let_opponent_move(sum(waiting))
        ended = self._run(kernel.end_plies, *core, self.episodes, self._mode, *self._results, *self._finals, *turn)
        self._let_opponent_move(sum(waiting for _, waiting in ended))
        self._run(kernel.observe_copies, *core, self._obs, self._masks)
        return sum(done for done, _ in ended)

    def _let_opponent_move(self, num_waiting: int) -> None:
        """Let the opponent move until it is our turn in every copy."""
        assert self.opponent is not None
        kernel = self.kernels
        while num_waiting:
            self._run(kernel.ask_opponent, *self._core, self._waiting, self._obs, self._masks, self._uniforms)
            replies = self.opponent(
                as_obs(self._obs), self._masks, self._waiting, self._uniforms, self.episodes["draw"]
            )
            check_replies(self.opponent, np.asarray(replies), self._waiting, self._masks, self._check.num_actions)
            self._replies[:] = replies
            num_waiting = sum(
                self._run(
                    kernel.opponent_ply, *self._core, self.episodes, self._replies, *self._limits,
                    *self._results, self._waiting, self._fresh,
                )
            )  # fmt: skip

    def _out(self, buffer: np.ndarray) -> Any:
        obs = copy_obs(buffer) if self._copy else as_obs(buffer)
        return split(obs, self._goal_size) if self._goal_size else obs

    def _info(self, num_done: int, num_illegal: int) -> dict[str, Any]:
        info: dict[str, Any] = {}
        everywhere = self._all.copy() if self._copy else self._all
        if self._masks.shape[1]:
            info["action_mask"] = self._masks.copy() if self._copy else self._masks
            info["_action_mask"] = everywhere
        if self.environment.num_players == 2 and self.opponent is None:
            info["player"], info["_player"] = self.states["player"].copy(), everywhere
        if num_illegal:
            info["illegal_action"] = info["_illegal_action"] = self._check.illegal.copy()
        if not num_done:
            return info
        done = self._terminated | self._truncated
        if self._episode_stats:
            stats = dict(zip(("r", "l", *self.environment.metrics), self._stats.T.copy(), strict=True))
            stats["l"] = stats["l"].astype(np.int64)
            info["episode"] = {name: np.where(done, values, 0) for name, values in stats.items()}
            info["_episode"] = done
        if "is_success" in self.environment.metrics:
            column = 2 + self.environment.metrics.index("is_success")
            info["is_success"], info["_is_success"] = done & (self._stats[:, column] > 0), done
        if self._mode == kernels.SAME_STEP:
            final_info: dict[str, Any] = {}
            if "player" in info:
                final_info["player"], final_info["_player"] = self.episodes["final_player"].copy(), done
            if self._masks.shape[1]:
                final_info["action_mask"] = self._final_masks.copy() if self._copy else self._final_masks
                final_info["_action_mask"] = done
            if num_illegal:
                final_info["illegal_action"] = final_info["_illegal_action"] = self._check.illegal.copy()
            info["final_obs"], info["_final_obs"] = self._out(self._final_obs), done
            info["final_info"], info["_final_info"] = final_info, done
        return info

    def _warm_up(self) -> None:
        """Call every kernel on no copies, so that all compiling (or loading) happens here."""
        kernel, none = self.kernels, slice(0, 0)
        states, episodes, obs, masks, flags = (
            a[none] for a in (self.states, self.episodes, self._obs, self._masks, self._waiting)
        )
        core = (states, self.params, 0)
        results, finals = ([a[none] for a in group] for group in (self._results, self._finals))
        self._check.warm_up(masks, episodes)
        actions = self._check.actions[none]
        kernel.seed_copies(states, episodes, flags, np.zeros(0, np.uint64), True)
        kernel.reset_copies(*core, episodes, flags, obs, masks)
        kernel.observe_copies(*core, obs, masks)
        if self.simulation is not None:
            kernel.control_copies(*core, episodes, actions)
            kernel.complete_copies(*core, flags, obs, masks)
        if self.opponent is None:
            kernel.step_copies(
                *core, episodes, actions, flags, self._mode, *self._limits, obs, masks, *results, *finals
            )  # fmt: skip
            return
        kernel.awaiting_opponent(states, episodes, flags, flags)
        kernel.our_ply(*core, episodes, actions, flags, *self._limits, *results, flags, flags)
        kernel.ask_opponent(*core, flags, obs, masks, self._uniforms[none])
        kernel.opponent_ply(*core, episodes, self._replies[none], *self._limits, *results, flags, flags)
        kernel.end_plies(*core, episodes, self._mode, *results, *finals, flags, flags)


def _part(arg: Any, part: slice, num_envs: int) -> Any:
    return arg[part] if isinstance(arg, np.ndarray) and arg.shape[0] == num_envs else arg
