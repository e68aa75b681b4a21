"""Games of two: seats, opponents, and rewards as a slow loop over plies finds them."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

import rlkit
from rlkit.engine.turns import play_random, policy_opponent, sample
from rlkit.registry import find_environment

CONNECT_FOUR = find_environment("connect_four")


def lowest(obs, action_mask, where, uniforms, draws):
    """Play the first legal action."""
    return action_mask.argmax(axis=1)


def highest(obs, action_mask, where, uniforms, draws):
    """Play the last legal action."""
    return action_mask.shape[1] - 1 - action_mask[:, ::-1].argmax(axis=1)


def random_legal(masks, rng):
    return (rng.random(masks.shape) * masks).argmax(axis=1)


def play(env, num_steps, seed=0):
    """Play legal random actions; yield (info before, step) of each."""
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed)
    for _ in range(num_steps):
        before, step = info, env.step(random_legal(info["action_mask"], rng))
        info = step[-1]
        yield before, step


# --- both sides at one table: opponent="self" ---------------------------------------------------------------


def test_self_is_one_ply_a_step_from_the_movers_side():
    env = rlkit.make("connect_four", opponent="self")
    obs, info = env.reset(seed=1)
    assert info["player"] == 1
    for ply, column in enumerate([3, 3, 2, 2, 1, 1]):
        own, other = obs
        assert info["player"] == (1 if ply % 2 == 0 else -1)
        obs, reward, terminated, truncated, info = env.step(column)
        assert (reward, terminated, truncated) == (0.0, False, False)
        np.testing.assert_array_equal(obs[0], other)  # what was the other's is now our own
        assert (obs[1] - own).sum() == 1  # and there is one disc more on the other side
    obs, reward, terminated, _, info = env.step(0)  # four in the bottom row
    assert (reward, terminated, info["player"]) == (1.0, True, -1)
    assert obs[1][0].tolist() == [1, 1, 1, 1, 0, 0, 0]


def test_self_gives_the_reward_of_whoever_moves():
    totals = {1: 0.0, -1: 0.0}
    env = rlkit.make_batch("tic_tac_toe", 16, opponent="self", autoreset_mode="same_step")
    for before, (_, rewards, terminated, _, _) in play(env, 60):
        assert ((rewards == 0) | terminated).all()
        assert (rewards >= 0).all()  # one wins by one's own move only
        for player in totals:
            totals[player] += rewards[before["player"] == player].sum()
    assert totals[1] > totals[-1] > 0  # crosses have the better of it, noughts win too


# --- seats and opponents ------------------------------------------------------------------------------------


def test_seats_alternate_from_episode_to_episode():
    env = rlkit.make_batch("tic_tac_toe", 32, autoreset_mode="same_step")
    seats, changes = None, 0
    obs, _ = env.reset(seed=1)
    assert set(env.episodes["seat"]) == {1, -1}  # drawn from the seed
    for _, (obs, _, terminated, truncated, _) in play(env, 40, seed=1):
        if seats is not None:
            ended = terminated | truncated
            np.testing.assert_array_equal(env.episodes["seat"], np.where(ended, -seats, seats))
            changes += ended.sum()
            begun = obs[ended].sum(axis=(1, 2, 3))  # stones on the board of new episodes
            np.testing.assert_array_equal(begun, np.where(env.episodes["seat"][ended] == 1, 0, 1))
        seats = env.episodes["seat"].copy()
    assert changes > 100


def test_seats_alternate_over_plain_resets_too():
    env = rlkit.make("connect_four")
    moved_first = [env.reset(seed=3 if k == 0 else None)[0].sum() for k in range(6)]
    assert moved_first[0] != moved_first[1]
    assert moved_first == moved_first[:2] * 3


def test_it_is_always_our_move():
    env = rlkit.make_batch("connect_four", 16)
    for _, (obs, _, terminated, _, _) in play(env, 60):
        running = ~terminated
        own, other = obs.sum(axis=(2, 3)).T
        np.testing.assert_array_equal((other - own)[running], (env.episodes["seat"] == -1)[running])


def test_draws_stay_through_an_episode_and_then_change():
    seen = []

    def opponent(obs, action_mask, where, uniforms, draws):
        seen.append((where.copy(), draws.copy()))
        return lowest(obs, action_mask, where, uniforms, draws)

    env = rlkit.make_batch("connect_four", 8, opponent=opponent, autoreset_mode="same_step")
    before, per_copy = None, [set() for _ in range(8)]
    num_ended = 0
    for _, (_, _, terminated, _, _) in play(env, 80):
        draws = env.episodes["draw"].copy()
        if before is not None:
            np.testing.assert_array_equal(draws != before, terminated)
            num_ended += terminated.sum()
        for where, given in seen:
            for i in np.flatnonzero(where):
                per_copy[i].add(int(given[i]))
        before = draws
    assert num_ended > 20
    assert len(set.union(*per_copy)) == sum(map(len, per_copy))  # no two episodes share their draw
    assert num_ended <= len(set.union(*per_copy)) <= num_ended + 8 + 1


def test_a_member_of_a_pool_never_changes_within_an_episode():
    def pool(*args):
        return np.where(args[-1] % 2 == 0, lowest(*args), highest(*args))

    env = rlkit.make_batch("connect_four", 16, opponent=pool, autoreset_mode="same_step")
    kinds, used = [set() for _ in range(16)], {"lowest": 0, "highest": 0}
    rng = np.random.default_rng(0)
    _, info = env.reset(seed=4)
    boards = env.states["height"].copy()
    for _ in range(60):
        actions = random_legal(info["action_mask"], rng)
        _, _, terminated, _, info = env.step(actions)
        for i in range(16):
            if terminated[i]:
                assert len(kinds[i]) <= 1
                for kind in kinds[i]:
                    used[kind] += 1
                kinds[i] = set()
                continue
            middle = boards[i].copy()
            middle[actions[i]] += 1
            reply = int(np.flatnonzero(env.states["height"][i] - middle)[0])
            legal = np.flatnonzero(middle < 6)
            if len(legal) > 1 and reply in (legal[0], legal[-1]):
                kinds[i].add("lowest" if reply == legal[0] else "highest")
        boards = env.states["height"].copy()
    assert min(used.values()) > 10


# --- rewards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_steps", [None, 5, 6])
@pytest.mark.parametrize("opponent", [lowest, highest])
def test_rewards_against_an_opponent_equal_a_slow_loop_over_plies(opponent, max_steps):
    env = rlkit.make(replace(CONNECT_FOUR, max_steps=max_steps), opponent=opponent)
    table = rlkit.make(CONNECT_FOUR, opponent="self")
    rng, num_steps, ends = np.random.default_rng(5), 0, set()
    for episode in range(60):
        obs, info = env.reset(seed=5 if episode == 0 else None)
        plies = Plies(table, opponent, seat=1 if obs.sum() == 0 else -1, max_steps=max_steps)
        over = False
        while not over:
            np.testing.assert_array_equal(obs, plies.obs)
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            obs, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, truncated) == plies.step(action)
            over, num_steps = terminated or truncated, num_steps + 1
        np.testing.assert_array_equal(obs, plies.obs)
        ends.add((reward, terminated, truncated))
    assert num_steps >= 120
    assert ends >= ({(1.0, True, False), (-1.0, True, False)} if max_steps is None else {(0.0, False, True)})


class Plies:
    """One game from our side, ply by ply at a table for two."""

    def __init__(self, table, opponent, seat, max_steps):
        self.table, self.opponent, self.max_steps = table, opponent, max_steps
        self.obs, self.info = table.reset()
        self.num_plies = 0
        if seat == -1:
            self.reply()

    def ply(self, action):
        self.obs, reward, terminated, _, self.info = self.table.step(action)
        self.num_plies += 1
        return reward, terminated

    def reply(self):
        mask = self.info["action_mask"][None]
        return self.ply(int(self.opponent(self.obs[None], mask, np.ones(1, bool), np.zeros(1), np.zeros(1))[0]))

    def step(self, action):
        reward, terminated = self.ply(action)
        if not terminated:  # also after a truncation by our own ply: the last observation is from our side
            theirs, terminated = self.reply()
            reward -= theirs
        return reward, terminated, self.max_steps is not None and self.num_plies >= self.max_steps


# --- what can be an opponent --------------------------------------------------------------------------------


class Leftmost:
    """A policy that offers its best action only."""

    def act(self, obs, action_mask=None, deterministic=True):
        return action_mask.argmax(axis=1)


class Edges:
    """A policy with probabilities: a quarter for the first and three quarters for the last legal action."""

    def probabilities(self, obs, action_mask):
        rows = np.arange(len(action_mask))
        chances = np.zeros(action_mask.shape)
        chances[rows, action_mask.argmax(axis=1)] += 0.25
        chances[rows, highest(obs, action_mask, None, None, None)] += 0.75
        return chances

    def act(self, obs, action_mask=None, deterministic=True):
        raise AssertionError("sampled, not asked for its best action")


def first_replies(opponent, num_envs, seed=0):
    """Return the opponent's first action in copies where it begins."""
    env = rlkit.make_batch("connect_four", num_envs, opponent=opponent)
    env.reset(seed=seed)
    return env.states["last"][env.episodes["seat"] == -1]


def test_a_policy_plays_its_best_action():
    replies = first_replies(Leftmost(), 64)
    assert len(replies) > 16
    assert (replies == 0).all()


def test_a_policy_with_probabilities_is_sampled():
    replies = first_replies(Edges(), 4096)
    assert set(replies.tolist()) == {0, 6}
    assert abs((replies == 6).mean() - 0.75) < 0.04  # 4 standard errors
    np.testing.assert_array_equal(replies, first_replies(Edges(), 4096))  # by the copies' own streams
    assert (replies[:500] != first_replies(Edges(), 4096, seed=9)[:500]).any()


def test_random_replies_are_uniform_over_legal_actions():
    counts = np.bincount(first_replies("random", 7168), minlength=7)
    assert abs(counts / counts.sum() - 1 / 7).max() < 0.025  # 4 standard errors
    masks = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [1, 0, 0, 0]], np.int8)
    for uniform in (0.0, 0.499, 0.999999):
        uniforms = np.full(3, uniform)
        actions = play_random(None, masks, np.ones(3, bool), uniforms, np.zeros(3))
        assert actions.tolist() == [1 if uniform < 0.5 else 3, 3, 0]


def test_sampling_inverts_the_uniforms():
    weights = np.array([[0.0, 1.0, 3.0, 0.0]])
    picked = [int(sample(weights, np.array([u]))[0]) for u in (0.0, 0.2499, 0.25, 0.9999999)]
    assert picked == [1, 1, 2, 2]


def test_only_waiting_rows_reach_a_policy():
    class Counting(Leftmost):
        def act(self, obs, action_mask=None, deterministic=True):
            assert len(obs) == len(action_mask) == 2
            return super().act(obs, action_mask)

    where = np.array([True, False, True])
    obs, masks = np.zeros((3, 2)), np.ones((3, 4), np.int8)
    actions = policy_opponent(Counting())(obs, masks, where, np.zeros(3), np.zeros(3))
    assert actions.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda masks: np.full(len(masks), 7), r"chose action 7, illegal in copy \d"),
        (lambda masks: np.full(len(masks), -1), r"chose action -1, illegal in copy \d"),
        (lambda masks: masks.argmin(axis=1), r"chose action \d, illegal in copy \d"),
        (
            lambda masks: 3,
            r"gave actions of shape \(\) and dtype int64, not one whole number for each of 4 copies",
        ),
        (lambda masks: np.zeros(3, np.int64), r"gave actions of shape \(3,\)"),
        (lambda masks: masks.argmax(axis=1) * 1.0, r"gave actions of shape \(4,\) and dtype float64"),
    ],
)
def test_an_opponent_that_breaks_the_rules_is_a_clear_error(reply, words):
    def cheat(obs, action_mask, where, uniforms, draws):
        return reply(action_mask)

    env = rlkit.make_batch("connect_four", 4, opponent=cheat)
    with pytest.raises(RuntimeError, match=rf"the opponent <function .*cheat.*> {words}"):
        for _ in play(env, 100):
            pass


def test_unknown_opponents_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"opponent 'sovler' is neither one of random, self, .* nor a run folder"):
        rlkit.make("connect_four", opponent="sovler")
    with pytest.raises(ValueError, match="opponent=3 is neither a name, a run, nor a policy with act"):
        rlkit.make("connect_four", opponent=3)
    with pytest.raises(ValueError, match="cartpole has one player; leave opponent='random' out"):
        rlkit.make("cartpole", opponent="random")
    reals = replace(CONNECT_FOUR, action_space=spaces.Box(-1.0, 1.0, (1,)))
    with pytest.raises(ValueError, match="connect_four: an opponent needs a Discrete action space"):
        rlkit.make(reals)


def test_the_yardsticks_policies_are_opponents_by_name():
    name = next(iter(find_environment("tic_tac_toe").yardstick.policies))
    env = rlkit.make_batch("tic_tac_toe", 64, opponent=name, autoreset_mode="same_step")
    rewards = np.concatenate([step[1] for _, step in play(env, 30)])
    assert rewards.max() == 0.0  # nobody beats perfect play
    assert rewards.min() == -1.0
