"""LidarRace's yardstick: pure pursuit at 30 % of the friction limit, which knows the track; and a rule by lidar alone.

- `pure_pursuit` steers towards a point of the centreline ahead (R. C. Coulter, "Implementation of the pure pursuit path
  tracking algorithm", CMU 1992) at the greatest speed that 30 % of the friction circle allows: it brakes before bends
  and accelerates after them (a backward and a forward pass over the lap). It is given the track, which agents are not.
- `follow_the_gap` drives towards the middle of the longest rays, as slowly as what lies ahead asks for: the usual first
  program of F1TENTH teams (after V. Sezer, M. Gokasan, "Follow the gap method", 2012).
- The lap time of a point at the full friction limit on the line of least curvature is no policy: it neglects that a
  car turns its wheels, rolls its tyres and has a length. It is a proxy for the optimum, in `rlkit yardstick`.

Measured on 28 November 2026, before any agent was trained, at `standard`. On the held-out tracks (87.3 m in the mean;
32 cars × 100 s on each of 20, 640 episodes; `rlkit evaluate lidar_race` shows them as held_out_…):

| policy | share of friction | crashed | crashes per km | lap time (s, from rest) |
| --- | --- | --- | --- | --- |
| pure_pursuit | 30 % | 0 [0, 0.006] | 0 | 20.65 [20.50, 20.80] |
| | 40 % | 0.055 [0.040, 0.075] | 0.12 | 21.5 |
| | 50 % | 0.627 [0.588, 0.663] | 2.8 | 62.1 |
| | 60 % | 0.969 [0.952, 0.980] | 22 | 96.1 |
| follow_the_gap | | 0 [0, 0.006] | 0 | 30.50 [30.18, 30.82] |

(An episode without a completed lap counts 100 s.) A lap as pure pursuit plans it takes 20.2 s, the proxy of the
optimum 9.8 s. On 512 episodes from seed 0, each with a track of its own: pure_pursuit returns 426.2 [423.2, 429.2] at
21.30 s a lap, follow_the_gap 291.1 [290.1, 292.1] at 31.14 s; random play −26.1, and all of it crashes.
"""

from typing import Any

import numpy as np

from envs.driving.lidar_race import ENVIRONMENT
from envs.driving.lidar_race.racing import (
    curvature,
    lap_seconds,
    proxy_lap,
    segment_lengths,
    speed_profile,
    track_points,
)
from rlkit.evaluation import Estimate, Yardstick, mean_interval, rate_interval, refuse_moves, run_episodes
from rlkit.learning.policy import FunctionPolicy, Policy, Situation
from rlkit.registry import make_batch

FRICTION_SHARE = 0.3
HELD_OUT_TRACKS = 20  # numbers 0 to 19: training, which draws its tracks, never meets them
HELD_OUT_CARS = 32  # on each


class PurePursuit:
    """Follows the centreline; reads state and track.

    Args:
        params: of the environment.
        share: of the friction limit.
    """

    name = "pure_pursuit"

    def __init__(self, params: np.record, share: float = FRICTION_SHARE):
        self._params, self._share = params, share
        self._profiles: dict[int, np.ndarray] = {}  # by number of the track: the speed at each point
        self._rows = np.zeros(0, np.int64)  # numbers of the tracks in the table, sorted
        self._table = np.zeros((0, 1))

    def act(self, obs: Any, action_mask: np.ndarray | None = None, deterministic: bool = True) -> Any:
        """Refuse: observations do not show the track."""
        raise ValueError("pure_pursuit follows a centreline that only the state knows, so it needs act_in(situation)")

    def act_in(self, situation: Situation, deterministic: bool = True) -> np.ndarray:
        """Return the actions [B, 2]; there is no chance to draw on."""
        states, params = situation.states, self._params
        speeds = self._speeds(states)
        speed, seconds = states["speed"], float(params.step_seconds)
        here, after = self._behind(states, 0.0), self._behind(states, speed * seconds)
        wanted = np.minimum(_along(speeds, *here), _along(speeds, *after))
        push = (wanted - speed) / seconds / float(params.max_acceleration)
        turn = (self._steering(states) - states["steering"]) / seconds / float(params.max_steering_rate)
        return np.clip(np.stack([turn, push], axis=1), -1.0, 1.0).astype(np.float32)

    def _behind(self, states: np.ndarray, ahead: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (point, next point, share between) on the centreline `ahead` (m) of the cars."""
        place = (states["arc"] + ahead) / states["spacing"]
        first = np.floor(place)
        count = states["num_points"]
        point = first.astype(np.int64) % count
        return point, (point + 1) % count, place - first

    def _steering(self, states: np.ndarray) -> np.ndarray:
        """Return the steering angles of the circles through the rear axle and a point ahead."""
        rear, base = float(self._params.rear_length), float(self._params.front_length + self._params.rear_length)
        cos, sin = np.cos(states["heading"]), np.sin(states["heading"])
        ahead = self._behind(states, np.clip(0.35 * states["speed"], 0.8, 3.0))
        dx = _along(states["centre_x"], *ahead) - (states["x"] - rear * cos)
        dy = _along(states["centre_y"], *ahead) - (states["y"] - rear * sin)
        return np.arctan(2.0 * base * (cos * dy - sin * dx) / (dx * dx + dy * dy))

    def _speeds(self, states: np.ndarray) -> np.ndarray:
        """Return the speed profile of each state's track [B, points], zeros behind its end."""
        numbers = states["track"]
        new = np.setdiff1d(numbers, self._rows)
        if len(new):
            for number in new:
                centre, _, _ = track_points(states[np.argmax(numbers == number)])
                lengths = segment_lengths(centre)
                profile = np.zeros(states["centre_x"].shape[1])
                profile[: len(centre)] = speed_profile(curvature(centre), lengths, self._params, self._share)
                self._profiles[int(number)] = profile
            self._rows = np.array(sorted(self._profiles))
            self._table = np.stack([self._profiles[int(number)] for number in self._rows])
        return self._table[np.searchsorted(self._rows, numbers)]


def _along(values: np.ndarray, point: np.ndarray, after: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the values [B, points] between two points of each row."""
    rows = np.arange(len(values))
    return (1.0 - share) * values[rows, point] + share * values[rows, after]


def follow_the_gap(params: np.record) -> FunctionPolicy:
    """Return the rule for `params` that knows ranges, speed and steering only."""
    seconds, most = float(params.step_seconds), float(params.max_steering)
    grip = FRICTION_SHARE * 9.81 * float(params.friction)
    angles = np.radians(np.arange(36) * 7.5 - 131.25)

    def control(obs: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        ranges = np.maximum(obs[:, :36].astype(np.float64), 0.005) * float(params.max_range)  # noise may go below 0
        speed = 10.0 * obs[:, 36]
        steering = obs[:, 39] * most
        inside = np.minimum(np.minimum(ranges, np.roll(ranges, 1, 1)), np.roll(ranges, -1, 1))
        weight = np.where(np.abs(angles) < 1.4, inside, 0.0) ** 4  # the far rays, none sideways
        aim = (weight * angles).sum(axis=1) / weight.sum(axis=1)
        centring = 0.15 * (ranges[:, 29] - ranges[:, 6])  # the rays at ±86°: keep to the middle
        wanted = np.clip(0.8 * aim + centring, -most, most)
        ahead = inside[:, 16:20].min(axis=1)
        limit = np.minimum(np.sqrt(2.0 * 0.5 * grip * ahead), np.sqrt(grip * 0.33 / np.maximum(np.abs(wanted), 0.05)))
        turn = (wanted - steering) / seconds / float(params.max_steering_rate)
        push = (limit - speed) / seconds / float(params.max_acceleration)
        return np.clip(np.stack([turn, push], axis=1), -1.0, 1.0).astype(np.float32)

    return FunctionPolicy(control, ENVIRONMENT.observation_space)  # type: ignore[arg-type]


def held_out(policy: Policy, options: dict[str, Any]) -> dict[str, Any]:
    """Return figures over the held-out tracks, 32 cars for 100 s on each: crashes with their interval, and laps."""
    params = ENVIRONMENT.params(**options)[0]
    numbers = range(HELD_OUT_TRACKS) if int(params.table_points) == 0 and int(params.track) < 0 else [int(params.track)]
    parts = [
        run_episodes(ENVIRONMENT, policy, HELD_OUT_CARS, 1000 * number, **options | {"track": number})
        for number in numbers
    ]
    figures = {name: np.concatenate([part.metrics[name] for part in parts]) for name in ENVIRONMENT.metrics}
    crashed = rate_interval(float(figures["crashed"].sum()), len(figures["crashed"]))
    per_km = 1000.0 / float(figures["progress"].mean())  # cars
    return {
        "held_out_crashed": crashed,
        "held_out_crashes_per_km": Estimate(
            crashed.mean * per_km, crashed.low * per_km, crashed.high * per_km, crashed.count
        ),
        "held_out_lap_time": mean_interval(figures["lap_time"]),
    }


def explain(moves: str) -> dict[str, Any]:
    """Return lap times on the held-out tracks: pure pursuit's, its plan's, and the proxy of the optimum.

    Raises:
        ValueError: `moves` is not empty.
    """
    refuse_moves(ENVIRONMENT, moves)
    params = ENVIRONMENT.params()[0]
    lengths, plans, proxies = [], [], []
    for number in range(HELD_OUT_TRACKS):
        env = make_batch(ENVIRONMENT, 1, track=number)
        env.reset(seed=0)
        state = env.states[0]
        centre, _, _ = track_points(state)
        parts = segment_lengths(centre)
        lengths.append(float(parts.sum()))
        plans.append(lap_seconds(speed_profile(curvature(centre), parts, params, FRICTION_SHARE), parts))
        proxies.append(proxy_lap(state, params))
        env.close()
    driven = held_out(PurePursuit(params), {})
    return {
        "num_tracks": HELD_OUT_TRACKS,
        "mean_length": float(np.mean(lengths)),
        "pure_pursuit_lap_time": driven["held_out_lap_time"].mean,
        "pure_pursuit_crashes_per_km": driven["held_out_crashes_per_km"].mean,
        "pure_pursuit_plan": float(np.mean(plans)),
        "proxy_optimum": float(np.mean(proxies)),
        "assumptions": "proxy: a point on the line of least curvature, at the friction limit, flying start",
    }


YARDSTICK = Yardstick(
    reference="pure pursuit at 30 % of the friction limit, which knows the track: no optimum, but it does not crash",
    policies={"pure_pursuit": PurePursuit, "follow_the_gap": follow_the_gap},
    explain=explain,
    long_run=held_out,
)
