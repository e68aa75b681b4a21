"""Endgames with every move's exact value, and a policy's score on them.

Two disjoint sets, `tune` (for choosing settings) and `test` (for final figures), are made when first asked for,
always the same: games between one-ply rules in which a quarter of the moves is random, each stopped where
`NUM_EMPTY` cells are empty and there are at least two moves. A search to the end labels the moves. The labels
never enter training.
"""

import functools
from dataclasses import dataclass

import numpy as np

from envs.board.othello import ENVIRONMENT, search
from envs.board.othello.players import compiled, positions_of, searcher
from rlkit.learning.policy import Policy, Situation, decide
from rlkit.registry import make_batch

SEEDS = {"tune": 1, "test": 2}
NUM_GAMES = 2000  # of a set
NUM_EMPTY = 10
_MAX_STEPS = 80  # far more than the 50 discs and the passes until then; a game that ends early begins anew
_RANDOM_SHARE = 0.25
_ILLEGAL = -2


@dataclass(frozen=True)
class Endgames:
    """Labelled positions."""

    situation: Situation  # B positions, as a policy sees them
    values: np.ndarray  # [B, 65] int8: 1 win, 0 draw, −1 loss of the side to move; −2 where illegal

    @property
    def obs(self) -> np.ndarray:
        """[B, 4, 8, 8] float32."""
        return self.situation.obs

    @property
    def action_mask(self) -> np.ndarray:
        """[B, 65] int8."""
        return np.asarray(self.situation.action_mask)

    @property
    def keeps_value(self) -> np.ndarray:
        """Bool [B, 65]: the move keeps the win, draw or loss that perfect play gives."""
        return self.values == self.values.max(axis=1, keepdims=True)

    @property
    def is_decisive(self) -> np.ndarray:
        """Bool [B]: some legal move loses value."""
        return (self.keeps_value != (self.action_mask == 1)).any(axis=1)


@functools.cache
def load(name: str) -> Endgames:
    """Return the set `tune` or `test`."""
    situation = _play(SEEDS[name])
    scores = np.empty((len(situation.obs), 65), np.int64)
    compiled().score_moves(positions_of(situation.obs), NUM_EMPTY, 1, scores, search.new_memory())
    return Endgames(situation, np.where(scores == search.ILLEGAL, _ILLEGAL, np.sign(scores)).astype(np.int8))


def _play(seed: int) -> Situation:
    """Return one position a game."""
    rng, rule = np.random.default_rng(seed), searcher(depth=1, num_exact=0)
    env = make_batch(ENVIRONMENT, NUM_GAMES, opponent="self")
    obs, info = env.reset(seed=seed)
    found_obs, found_masks, states = np.zeros_like(obs), np.zeros_like(info["action_mask"]), env.states.copy()
    for _ in range(_MAX_STEPS):
        mask = info["action_mask"]
        is_new = (obs[:, :2].sum(axis=(1, 2, 3)) == 64 - NUM_EMPTY) & (mask.sum(axis=1) > 1) & ~found_masks.any(axis=1)
        found_obs[is_new], found_masks[is_new], states[is_new] = obs[is_new], mask[is_new], env.states[is_new]
        at_random = (rng.random(mask.shape) * mask).argmax(axis=1)
        obs, *_, info = env.step(np.where(rng.random(NUM_GAMES) < _RANDOM_SHARE, at_random, rule.act(obs)))
    was_found = found_masks.any(axis=1)
    return Situation(found_obs[was_found], found_masks[was_found], states[was_found], env.params[0])


def score(policy: Policy, endgames: Endgames) -> dict[str, float]:
    """Return the share of endgames in which the policy's move keeps the value: of all, and of decisive ones."""
    actions = decide(policy, endgames.situation)
    kept = endgames.keeps_value[np.arange(len(actions)), actions]
    return {"value_kept": float(kept.mean()), "value_kept_decisive": float(kept[endgames.is_decisive].mean())}
