"""AlphaZero around its search: the folded network, the window, what self-play gives to learn, and that it learns."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import rlkit
from agents import alphazero
from agents.alphazero import games, selfplay
from agents.alphazero.cache import key_of, make_cache
from agents.alphazero.network import BoardNetwork, Evaluator
from agents.alphazero.selfplay import CHOICES, Group, make_samples
from agents.alphazero.tree import GUMBEL, make_settings
from rlkit.registry import resolve
from rlkit.run import Run

# --- network and window -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["board", "conv", "mlp", "rows"])
def test_the_folded_network_is_the_network(kind):
    torch.manual_seed(0)
    shape = (6, 7) if kind == "rows" else (2, 6, 7)
    network = BoardNetwork(shape, 7, kind, size=8, num_blocks=2, head_size=8)
    for _ in range(5):  # so that batch norms have seen something
        network(torch.rand(64, *shape))
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    network.eval()
    obs = torch.rand(32, *shape)
    with torch.no_grad():
        logits, values = network(obs)
    assert values.std() > 1e-3
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
        found_logits, found_values = Evaluator(network, dtype)(obs.numpy())
        np.testing.assert_allclose(found_logits, logits, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(found_values, values, rtol=tolerance, atol=tolerance)


def test_convolutions_need_planes():
    with pytest.raises(ValueError, match=r"network=conv needs observations \[planes, rows, columns\], not \[4\]; use"):
        BoardNetwork((4,), 2, "conv", size=8, num_blocks=1, head_size=8)


def test_the_window_keeps_the_latest():
    window = selfplay.Window(5, (1,), 2)

    def add(*values):
        samples = make_samples(len(values), (1,), 2)
        samples.values[:] = values
        samples.obs[:, 0] = values
        window.add(samples)

    def kept():
        drawn = window.draw(200, np.random.default_rng(0))
        assert (drawn.obs[:, 0] == drawn.values).all()
        return sorted(set(drawn.values.tolist()))

    add(1, 2, 3)
    assert kept() == [1, 2, 3]
    add(4, 5, 6, 7)
    assert kept() == [3, 4, 5, 6, 7]
    add(*range(10, 22))  # more than there is room for
    assert kept() == [17, 18, 19, 20, 21]
    add(30)
    assert kept() == [18, 19, 20, 21, 30]


# --- what self-play gives to learn ------------------------------------------------------------------------------

WIN = (0, 3, 1, 4, 2)  # X has the upper row
DRAW = (0, 1, 2, 4, 3, 5, 7, 6, 8)


def played(script, settings=(), history_size=9, **choices):
    """Play one game of tic-tac-toe by a network that is all for the next move of `script`.

    Its value of a position is a tenth of its stones; a search is one simulation, which looks at the next move.
    """
    environment = rlkit.find_environment("tic_tac_toe")
    env = rlkit.make_batch(environment, 1, opponent="self")
    defaults = {"num_simulations": 1, "num_fast_simulations": 1, "full_share": 1.0, "num_sampled_plies": 0}
    defaults |= {"adjudicate": 0, "search_value_share": 0.0}
    record = np.array([tuple((defaults | choices)[name] for name in CHOICES.names)], CHOICES)
    group = Group(environment, env, 1, make_settings(**dict(settings)), record, 9, history_size, 1, 0, seed=0)

    def evaluate(obs):
        num_stones = int(obs.sum())
        logits = np.full((1, 9), -20, np.float32)
        logits[0, script[num_stones % len(script)]] = 20
        return logits, np.array([num_stones / 10], np.float32)

    samples, counters = group.collect(evaluate)
    assert samples.obs.sum(axis=(1, 2, 3)).tolist() == list(range(len(samples.obs)))
    return samples, counters


def test_the_values_to_learn_are_the_result_for_who_moves():
    samples, counters = played(WIN)
    assert samples.values.tolist() == [1, -1, 1, -1, 1]
    assert samples.policies.argmax(axis=1).tolist() == list(WIN)
    assert samples.policies.max(axis=1) == pytest.approx(np.ones(5))
    assert samples.masks.sum(axis=1).tolist() == [9, 8, 7, 6, 5]
    assert samples.weights.tolist() == [1] * 5
    assert counters[[games.EPISODES, games.PLIES, games.FIRST_WINS, games.DRAWS, games.PROVEN]].tolist() == [
        1,
        5,
        1,
        0,
        1,
    ]
    samples, counters = played(DRAW)
    assert samples.values.tolist() == [0] * 9
    assert counters[[games.EPISODES, games.PLIES, games.FIRST_WINS, games.DRAWS, games.PROVEN]].tolist() == [
        1,
        9,
        0,
        1,
        1,
    ]
    samples, _ = played(WIN, settings={"gamma": 0.5})
    assert samples.values.tolist() == [0.0625, -0.125, 0.25, -0.5, 1]


def test_the_searchs_own_value_is_mixed_in_unless_it_is_proven():
    """A root of n stones has the mean of n / 10 and −(n + 1) / 10, which is −0.05; the last is proven."""
    samples, _ = played(WIN, search_value_share=0.25)
    assert samples.values == pytest.approx([0.7375, -0.7625, 0.7375, -0.7625, 1])


def test_a_game_may_end_where_its_value_is_proven():
    samples, counters = played(WIN, adjudicate=1)
    assert samples.values.tolist() == [1, -1, 1, -1, 1]
    assert counters[[games.EPISODES, games.PLIES, games.FIRST_WINS]].tolist() == [1, 5, 1]
    # X's fork at 6 is proven before X has three in a row, and the game ends there.
    samples, counters = played((0, 8, 2, 1, 6, 3, 4), adjudicate=1, num_simulations=30)
    assert counters[[games.EPISODES, games.FIRST_WINS, games.PROVEN]].tolist() == [1, 1, 1]
    assert samples.values.tolist() == [1, -1, 1, -1, 1]
    assert samples.policies[-1, 6] == pytest.approx(1)


def test_a_long_game_is_cut_and_goes_on_in_the_searchs_value():
    samples, _ = played(WIN, history_size=3)
    assert samples.values == pytest.approx([-0.3, 0.3, -0.3])  # 0.3 for O, after three stones


def test_remembered_evaluations_change_no_game():
    """One player, twice, with and without a cache: the same samples of fewer evaluations; a full cache forgets."""
    environment = rlkit.find_environment("tic_tac_toe")
    env = rlkit.make_batch(environment, 1, opponent="self")
    record = np.array([(16, 4, 0.5, 3, 1, 0.25)], CHOICES)
    weights = np.random.default_rng(0).normal(size=(18, 10)).astype(np.float32)

    def evaluate(obs):
        outputs = obs.reshape(len(obs), -1) @ weights
        return outputs[:, :9].copy(), np.tanh(outputs[:, 9])

    def collected(cache_size):
        settings = make_settings(strategy=GUMBEL, gumbel_scale=1.0)
        group = Group(environment, env, 1, settings, record, 9, 9, 500, cache_size, seed=0)
        found = []
        for _ in range(2):
            samples, counters = group.collect(evaluate)
            found += [part.tobytes() for part in samples]
        return found, *counters[[games.EVALUATIONS, games.RECALLED]].tolist()

    none, few, many = (collected(size) for size in (0, 37, 4096))
    assert none[0] == few[0] == many[0]
    assert none[2] == 0 < few[2] < many[2]
    assert none[1] == few[1] + few[2] == many[1] + many[2]
    assert many[1] < none[1] / 2


def test_keys_of_positions_differ():
    boards = np.random.default_rng(0).integers(2, size=(20_000, 3, 3, 3)).astype(np.float32)
    table = make_cache(0, 27, 9)
    keys = {key_of(table, board) for board in boards}
    assert {key_of.py_func(table, board) for board in boards[:500]} <= keys  # plain Python's are the same
    assert len(keys) == len({board.tobytes() for board in boards})
    few = {int(key) % 256 for key in keys}
    assert len(few) == 256  # every place is used


def test_cheap_searches_teach_no_policy():
    assert played(WIN, full_share=0.0)[0].weights.tolist() == [0] * 5


def tiny(**changes):
    settings = {
        "total_steps": 3000, "num_games": 16, "num_simulations": 16, "num_fast_simulations": 4, "size": 16,
        "iteration_samples": 512, "window_size": 4000, "minibatch_size": 128, "network": "mlp", "num_blocks": 1,
        "head_size": 8, "eval_interval": 0, "checkpoint_interval": 1000,
    }  # fmt: skip
    return alphazero.Config(**(settings | changes))


def test_samples_depend_on_the_seed_and_not_on_threads():
    environment = rlkit.find_environment("tic_tac_toe")

    def collected(seed, num_threads):
        learner = alphazero.Learner(environment, tiny(threads=3), seed)
        evaluator = Evaluator(learner.average.eval())
        with ThreadPoolExecutor(num_threads) as pool:
            found = list(pool.map(lambda group: group.collect(evaluator)[0], learner.groups))
        learner.pool.shutdown()
        return [part.tobytes() for samples in found for part in samples]

    assert collected(1, 1) == collected(1, 3)
    assert collected(1, 1) != collected(2, 1)


# --- training ---------------------------------------------------------------------------------------------------


def train(folder, config, seed=0):
    with Run.create("tic_tac_toe", "alphazero", {}, seed, root=folder) as run, run.training():
        return alphazero.train(rlkit.find_environment("tic_tac_toe"), config, run)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    def weights(seed):
        network = train(tmp_path, tiny(), seed).with_simulations(0).network
        return b"".join(value.numpy().tobytes() for value in network.state_dict().values())

    assert weights(3) == weights(3)
    assert weights(3) != weights(4)


def test_it_learns_tic_tac_toe(tmp_path):
    config = tiny(total_steps=16_000, size=64, head_size=32, window_size=20_000, minibatch_size=256, learn_ratio=8.0)
    player = train(tmp_path, config)
    score = rlkit.find_environment("tic_tac_toe").yardstick.score
    assert score(player.with_simulations(0), True)["value_kept"] > 0.93  # random play 58 %, PPO's test 82 %


def test_what_cannot_be_searched_is_refused_in_one_sentence():
    for name, words in {
        "gymnasium:CartPole-v1": "alphazero searches states, which .*CartPole-v1 cannot save; use --agent ppo",
        "pendulum": "alphazero needs a Discrete action space, which pendulum has not; use --agent ppo",
    }.items():
        with pytest.raises(ValueError, match=f"^{words}$"):
            alphazero.Learner(resolve(name, trusted=True), tiny(), 0)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="num_simulations=0 must be at least 1"):
        tiny(num_simulations=0)
    with pytest.raises(ValueError, match=r"full_share=1\.5 must be between 0 and 1"):
        tiny(full_share=1.5)
    with pytest.raises(ValueError, match="window_size=100 must be at least minibatch_size=128"):
        tiny(window_size=100)
