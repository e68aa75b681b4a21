"""Replay memory and the sum tree against slow textbook loops."""

import numpy as np
import pytest

from rlkit.learning.replay import Replay
from rlkit.learning.sum_tree import SumTree

NUM_ENVS, NUM_ACTIONS = 3, 4


class Diary:
    """Random episodes of N copies, kept in full: for each copy a list of episodes, each a list of steps."""

    def __init__(self, seed, has_masks, mean_length=4):
        self.rng = np.random.default_rng(seed)
        self.has_masks, self.mean_length = has_masks, mean_length
        self.obs, self.masks = self.fresh(), self.fresh_masks()
        self.episodes = [[[]] for _ in range(NUM_ENVS)]
        self.order = []  # (copy, episode, step) as they came

    def fresh(self):
        return self.rng.integers(0, 255, (NUM_ENVS, 2)).astype(np.uint8)

    def fresh_masks(self):
        return self.rng.integers(0, 2, (NUM_ENVS, NUM_ACTIONS)).astype(np.int8) if self.has_masks else None

    def step(self, *replays):
        """Step every copy at random, into the diary and into `replays`."""
        actions, rewards = self.rng.integers(NUM_ACTIONS, size=NUM_ENVS), self.rng.normal(size=NUM_ENVS)
        ends = self.rng.random((2, NUM_ENVS)) < 0.5 / self.mean_length
        terminated, truncated = ends[0], ends[1] & ~ends[0]
        last_obs, last_masks, new_obs, new_masks = self.fresh(), self.fresh_masks(), self.fresh(), self.fresh_masks()
        done = terminated | truncated
        for i in range(NUM_ENVS):
            row = {
                "obs": self.obs[i], "action": actions[i], "reward": rewards[i], "terminated": terminated[i],
                "next_obs": last_obs[i], "next_mask": last_masks[i] if self.has_masks else None,
            }  # fmt: skip
            self.order.append((i, len(self.episodes[i]) - 1, len(self.episodes[i][-1])))
            self.episodes[i][-1].append(row)
            if done[i]:
                self.episodes[i].append([])
        self.obs = np.where(done[:, None], new_obs, last_obs)
        self.masks = np.where(done[:, None], new_masks, last_masks) if self.has_masks else None
        finals = (last_obs, last_masks) if truncated.any() else None
        for replay in replays:
            replay.add(actions, rewards, terminated, truncated, self.obs, self.masks, finals)

    def window(self, where, n_step, gamma):
        """Return (obs, action, return, discount, next_obs, next_mask) of the step `where`, by the book."""
        i, episode, step = where
        steps = self.episodes[i][episode][step : step + n_step]
        total = sum(gamma**k * row["reward"] for k, row in enumerate(steps))
        discount = 0.0 if steps[-1]["terminated"] else gamma ** len(steps)
        return (
            steps[0]["obs"], steps[0]["action"], total, discount, steps[-1]["next_obs"], steps[-1]["next_mask"],
        )  # fmt: skip


def make(capacity, n_step, has_masks=True, **options):
    return Replay(
        capacity,
        NUM_ENVS,
        (2,),
        np.dtype(np.uint8),
        NUM_ACTIONS,
        has_masks=has_masks,
        n_step=n_step,
        gamma=0.9,
        **options,
    )


def everything(replay):
    """Draw every transition that is ready once, oldest first."""
    count = replay.num_ready
    return replay.draw((np.arange(count) + 0.5) / count)


@pytest.mark.parametrize("has_masks", [True, False])
@pytest.mark.parametrize("n_step", [1, 3, 5])
def test_windows_are_those_of_the_textbook(n_step, has_masks):
    """The latest transitions whose n steps are known, with returns over no more than their episode."""
    diary, capacity = Diary(n_step, has_masks), 30
    replay = make(capacity, n_step, has_masks)
    replay.begin(diary.obs, diary.masks)
    for t in range(1, 60):  # the ring goes round several times
        diary.step(replay)
        ready = diary.order[: len(diary.order) - (n_step - 1) * NUM_ENVS][-capacity:] if t >= n_step else []
        assert replay.num_ready == len(ready)
        if not ready:
            continue
        found = everything(replay)
        for k, where in enumerate(ready):
            obs, action, total, discount, next_obs, next_mask = diary.window(where, n_step, 0.9)
            assert (found.obs[k] == obs).all()
            assert found.actions[k] == action
            assert found.returns[k] == pytest.approx(total, abs=1e-5)
            assert found.discounts[k] == pytest.approx(discount)
            if discount:
                assert (found.next_obs[k] == next_obs).all()
                assert not has_masks or (found.next_masks[k] == next_mask).all()


@pytest.mark.parametrize("num_steps", [0, 2, 7, 40])
@pytest.mark.parametrize("priority_exponent", [None, 0.6])
def test_a_restored_replay_draws_and_goes_on_as_the_one_saved(num_steps, priority_exponent):
    diary = Diary(0, True)
    options = {"capacity": 30, "n_step": 3, "priority_exponent": priority_exponent}
    replay, restored = make(**options), make(**options)
    replay.begin(diary.obs, diary.masks)
    for _ in range(num_steps):
        diary.step(replay)
    if replay.num_ready:
        replay.set_errors(replay.draw(diary.rng.random(8)).where, diary.rng.normal(size=8) * 3)
    saved = replay.tensors()
    assert len(saved["rewards"]) == min(num_steps + 1, 30 // NUM_ENVS + 3) * NUM_ENVS  # filled rows alone
    restored.restore(saved)
    for _ in range(30):
        diary.step(replay, restored)
        uniforms = diary.rng.random(16)
        if not replay.num_ready:
            continue
        ours, theirs = replay.draw(uniforms, 0.5), restored.draw(uniforms, 0.5)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
        errors = diary.rng.normal(size=16)
        replay.set_errors(ours.where, errors)
        restored.set_errors(theirs.where, errors)
    saved, again = replay.tensors(), restored.tensors()
    assert saved.keys() == again.keys()
    assert all(saved[name].tobytes() == again[name].tobytes() for name in saved)


def test_new_episodes_truncate_those_under_way():
    """As after resuming an environment whose states cannot be saved."""
    replay = make(30, 1)
    first, second, third = (np.full((NUM_ENVS, 2), value, np.uint8) for value in (1, 2, 3))
    masks, none = np.ones((NUM_ENVS, NUM_ACTIONS), np.int8), np.zeros(NUM_ENVS, np.bool_)
    replay.begin(first, masks)
    replay.add(np.zeros(NUM_ENVS, np.int64), np.ones(NUM_ENVS), none, none, second, masks, None)
    replay.begin(third, masks)
    windows = everything(replay)
    assert (windows.next_obs == 2).all()
    assert (windows.discounts == np.float32(0.9)).all()
    replay.add(np.zeros(NUM_ENVS, np.int64), np.ones(NUM_ENVS), none, none, first, masks, None)
    assert (everything(replay).obs[NUM_ENVS:] == 3).all()


def test_even_draws_are_even():
    diary, replay = Diary(1, False), make(30, 1, has_masks=False)
    replay.begin(diary.obs, diary.masks)
    for _ in range(50):
        diary.step(replay)
    counts = np.bincount(replay.draw(diary.rng.random(60_000)).where)
    assert (counts > 0).sum() == 30
    assert counts[counts > 0].std() / 2000 < 3 / np.sqrt(2000)


def test_draws_and_weights_follow_the_priorities():
    """P(i) = p_i^α / Σ p^α and w_i = (N · P(i))^−β / max w (Schaul et al. 2016, algorithm 1)."""
    diary, replay = Diary(2, False), make(30, 1, has_masks=False, priority_exponent=0.6)
    replay.begin(diary.obs, diary.masks)
    for _ in range(20):  # the ring has gone round
        diary.step(replay)
    every = np.unique(replay.draw((np.arange(3000) + 0.5) / 3000).where)
    assert len(every) == 30
    errors = np.linspace(-5.0, 8.0, 30)
    replay.set_errors(every, errors)
    chances = np.abs(errors) ** 0.6 / (np.abs(errors) ** 0.6).sum()
    windows = replay.draw(diary.rng.random(100_000), 0.4)
    shares = np.array([(windows.where == index).mean() for index in every])
    np.testing.assert_allclose(shares, chances, atol=1e-3)
    weights = (30 * chances) ** -0.4
    for index, weight in zip(every, weights / weights.max(), strict=True):
        np.testing.assert_allclose(windows.weights[windows.where == index], weight, rtol=1e-3)


def test_new_transitions_have_the_highest_priority_so_far():
    diary, replay = Diary(3, False), make(300, 1, has_masks=False, priority_exponent=1.0)
    replay.begin(diary.obs, diary.masks)
    diary.step(replay)
    replay.set_errors(np.arange(NUM_ENVS), np.array([1.0, 2.0, 7.0]))
    diary.step(replay)
    index = replay.draw(diary.rng.random(40_000)).where
    shares = np.bincount(index, minlength=6) / len(index)
    np.testing.assert_allclose(shares, np.array([1, 2, 7, 7, 7, 7]) / 31, atol=5e-3)


def test_memory_is_stated_and_bounded():
    replay = Replay(100_000, 8, (4,), np.dtype(np.float32), 2, has_masks=False, n_step=1, gamma=0.99)
    assert str(replay) == "replay: 100,000 transitions, 2.6 MB"  # 16 + 1 + 4 + 1 + 4 bytes each
    with pytest.raises(ValueError, match=r"buffer_size=\d+ may need .* GB, more than half .* set at most buffer_size="):
        Replay(10**11, 8, (4,), np.dtype(np.float32), 2, has_masks=False, n_step=1, gamma=0.99)


def test_a_sum_tree_finds_what_a_running_sum_finds():
    rng = np.random.default_rng(0)
    for num_leaves in (1, 2, 5, 64, 1000):
        tree, priorities = SumTree(num_leaves), np.zeros(num_leaves)
        for _ in range(20):
            index = rng.integers(num_leaves, size=max(1, num_leaves // 3))
            new = rng.integers(0, 4, len(index)).astype(np.float64)
            for i, value in zip(index, new, strict=True):  # of one leaf twice the last counts
                priorities[i] = value
            tree.set(index, new)
            assert tree.total == priorities.sum()
            if tree.total:
                sums = rng.random(50) * tree.total
                np.testing.assert_array_equal(tree.find(sums), np.searchsorted(np.cumsum(priorities), sums, "right"))
        other = SumTree(num_leaves)
        other.set_all(priorities)
        assert (other._nodes == tree._nodes).all()


def test_a_sum_tree_never_finds_what_has_no_priority():
    tree = SumTree(5)
    tree.set(np.array([1, 2]), np.array([0.1, 0.2]))
    found = tree.find(np.array([0.0, tree.total, np.nextafter(tree.total, 1.0)]))
    assert found.tolist() == [1, 2, 2]
