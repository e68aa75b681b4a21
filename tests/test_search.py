"""The tree search: golden trees, a textbook's search, and what must hold in every tree of every game."""

import math

import numpy as np
import pytest
import textbook_search as textbook
from hypothesis import given, settings
from hypothesis import strategies as st
from search_helpers import GAMES, GOLDEN, Search, golden_trees, play, random_position
from tiny_environments import run_python

from agents.alphazero.tree import GUMBEL, HORIZON, PUCT, ROLLOUT, UNKNOWN, halving_schedule, make_settings
from rlkit.engine.state import states_equal

STRATEGIES = {
    "puct": {"strategy": PUCT},
    "gumbel": {"strategy": GUMBEL, "gumbel_scale": 1.0},
    "puct_finds_wins": {"strategy": PUCT, "find_wins": 1},
    "gumbel_finds_wins": {"strategy": GUMBEL, "gumbel_scale": 1.0, "find_wins": 1},
}
few_examples = settings(max_examples=15, deadline=None, derandomize=True)
positions = {"seed": st.integers(0, 1000), "num_plies": st.integers(0, 40)}

# --- against golden trees and a textbook ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["search_puct", "search_proven", "search_gumbel", "search_start"])
def test_small_trees_are_as_they_were(name):
    """`python tests/search_helpers.py` writes them anew."""
    assert golden_trees()[name] == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "game", "most_plies"),
    [("tic_tac_toe", textbook.TicTacToe, 6), ("connect_four", textbook.ConnectFour, 34)],
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), num_simulations=st.integers(1, 300), num_plies=st.integers(0, 40))
def test_puct_with_proven_values_visits_what_the_textbook_visits(
    name, game, most_plies, seed, num_simulations, num_plies
):
    chance, board, moves = np.random.default_rng(seed), game.start, []
    for number in range(min(num_plies, most_plies)):
        move = int(chance.choice(game.legal(board)))
        after, _, is_over = game.play(board, move, "XO"[number % 2])
        if is_over:
            break
        board, moves = after, [*moves, move]
    expected = textbook.search(game, moves, num_simulations, c_puct=1.25, fpu_reduction=0.1)
    environment, states, _ = play(name, moves)
    found = Search(environment, states, c_puct=1.25, fpu_reduction=0.1).run(num_simulations)
    assert found.root["outcome"] == (UNKNOWN if expected.proven is None else expected.proven)
    assert found.root["mean"] == pytest.approx(expected.mean)
    for action, child in expected.children.items():
        assert found.root["visit_counts"][action] == (0 if child is None else child.visits)
        if child is not None:
            assert found.root["q_values"][action] == pytest.approx(-child.mean)


# --- what holds in every tree -----------------------------------------------------------------------------------


def is_terminal(node):
    return node["outcome"] == 0 and (node["children"] < 0).all()


def check(found):
    """Check that the links, counts, values and proofs of game 0's tree fit together."""
    nodes, num_linked = found.nodes, 0
    for k, node in enumerate(nodes):
        tried = np.flatnonzero(node["children"] >= 0)
        num_linked += len(tried)
        for action in tried:
            child = nodes[node["children"][action]]
            assert node["children"][action] > k
            assert (child["parent"], child["action"]) == (k, action)
            assert child["visits"] == node["visit_counts"][action] > 0
            assert node["q_values"][action] == child["reward"] + child["sign"] * child["mean"]
            proven = child["reward"] + child["sign"] * child["outcome"] if child["outcome"] < UNKNOWN else UNKNOWN
            assert node["edge_outcomes"][action] == proven
        untried = node["children"] < 0
        assert (node["visit_counts"][untried] == 0).all()
        unvisited = set(node["edge_outcomes"][untried].tolist())
        assert unvisited <= ({UNKNOWN, 1} if found.settings["find_wins"][0] else {UNKNOWN})
        assert abs(node["mean"]) <= 1
        if node["outcome"] == UNKNOWN:
            assert node["visits"] == 1 + node["visit_counts"].sum()  # its own evaluation, and what went on from it
        else:
            assert node["visits"] >= node["visit_counts"].sum() + (len(tried) == 0)
        if not is_terminal(node) and node["outcome"] != HORIZON:
            _check_expanded(node, tried)
    assert num_linked == len(nodes) - 1


def _check_expanded(node, tried):
    legal = node["priors"] != -1
    assert legal[tried].all()
    assert (node["priors"][legal] > 0).all()
    assert node["priors"][legal].sum() == pytest.approx(1, abs=1e-5)
    assert (np.abs(node["q_values"][tried]) <= 1).all()
    proven = node["edge_outcomes"][legal]
    assert node["num_open"] == (proven == UNKNOWN).sum()
    if (proven == 1).any():
        assert node["outcome"] == 1
    elif (proven != UNKNOWN).all():
        assert node["outcome"] == proven.max()
    else:
        assert node["outcome"] == UNKNOWN
    if node["outcome"] != UNKNOWN:
        assert node["mean"] == node["value"] == node["outcome"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", GAMES)
@few_examples
@given(num_simulations=st.integers(1, 60), num_more=st.integers(1, 60), **positions)
def test_trees_are_consistent_also_below_a_new_root(name, strategy, seed, num_plies, num_simulations, num_more):
    environment, states, params = random_position(name, seed, num_plies)
    found = Search(environment, states, params, seed=seed, **STRATEGIES[strategy]).run(num_simulations)
    check(found)
    _check_root(found, states, num_simulations)
    policies, actions, values = found.recommended()
    assert policies.sum() == pytest.approx(1, abs=1e-5)
    assert policies[0][found.root["priors"] < 0].sum() == 0
    assert found.root["priors"][actions[0]] > 0
    assert values[0] == pytest.approx(found.root["mean"])
    top = found.root["children"][found.best]
    if top < 0 or is_terminal(found.nodes[top]) or found.nodes[top]["outcome"] == HORIZON:
        return
    before = _subtree(found, top)
    assert found.reroot(found.best)
    assert _subtree(found, 0) == before
    check(found)
    found.run(num_more)
    check(found)


def _check_root(found, states, num_simulations):
    done = found.tree.games[0]["num_simulations"]
    assert found.root["visit_counts"].sum() == done
    assert done == num_simulations or found.root["outcome"] != UNKNOWN
    changed = found.states[:1].copy()
    assert changed["rng"] != states["rng"]  # a search has dice of its own
    changed["rng"] = states["rng"]
    assert states_equal(changed, states)


def _subtree(found, top):
    """Return path of actions → the statistics of the node there, for all nodes below `top`."""
    kept = {}
    for k, path in _paths(found.nodes, top):
        node = found.nodes[k]
        names = ["visit_counts", "edge_outcomes", "outcome", "num_open", "value", "mean", "visits"]
        names += [] if is_terminal(node) else ["priors"]
        kept[path] = [np.asarray(node[name]).tolist() for name in names]
        kept[path].append(node["q_values"][node["visit_counts"] > 0].tolist())
        kept[path].append([np.asarray(found.states[k][name]).tolist() for name in found.states.dtype.names])
    return kept


def _paths(nodes, k, path=()):
    yield k, path
    for action in np.flatnonzero(nodes[k]["children"] >= 0):
        yield from _paths(nodes, nodes[k]["children"][action], (*path, int(action)))


@pytest.mark.parametrize("strategy", STRATEGIES)
@few_examples
@given(**positions)
def test_what_is_proven_to_lose_is_not_visited_again(strategy, seed, num_plies):
    environment, states, params = random_position("connect_four", seed, num_plies)
    found = Search(environment, states, params, seed=seed, **STRATEGIES[strategy])
    before = found.run(1).nodes.copy()
    for num_simulations in range(2, 120):
        after = found.run(num_simulations).nodes[: len(before)]
        lost = before["edge_outcomes"] == -1
        assert (after["visit_counts"][lost] == before["visit_counts"][lost]).all()
        assert (after["outcome"][before["outcome"] < UNKNOWN] == before["outcome"][before["outcome"] < UNKNOWN]).all()
        before = found.nodes.copy()


REPLAY = """
import sys
import numpy as np
import rlkit
from rlkit.engine.state import states_equal
for path in sys.argv[1:]:
    data = np.load(path)
    environment = rlkit.find_environment(str(data["name"]))
    rules, params = environment.rules, environment.rules.PARAMS.copy()
    params[:] = np.frombuffer(data["params"].tobytes(), params.dtype)
    states = np.frombuffer(data["states"].tobytes(), rules.STATE)
    player = 0
    for k in range(len(states)):
        if k > 0:
            after = states[data["parent"][k]][None].copy()
            mover = int(after[0].player)
            reward, terminated = rules.step(after[0], params[0], int(data["action"][k]))
            after["num_steps"] += 1
            assert states_equal(after, states[k : k + 1]), (path, k)
            assert (reward, terminated) == (data["reward"][k], data["is_terminal"][k]), (path, k)
            assert data["sign"][k] == (1 if int(after[0].player) == mover else -1), (path, k)
        if not data["is_terminal"][k]:
            mask = np.ones(data["legal"].shape[1], np.int8)
            rules.action_mask(states[k].copy(), params[0], mask)
            assert (mask == data["legal"][k]).all(), (path, k)
    print(len(states))
"""


def test_every_nodes_state_is_what_the_rules_in_plain_python_make_of_its_actions(tmp_path):
    for name in GAMES:
        for strategy, changes in STRATEGIES.items():
            environment, states, params = random_position(name, 5, 2)
            found = Search(environment, states, params, **changes).run(60)
            links = {field: found.nodes[field] for field in ("parent", "action", "reward", "sign")}
            np.savez(
                tmp_path / f"{name}_{strategy}.npz", name=name, params=params.view(np.uint8),
                states=found.states.copy().view(np.uint8), legal=found.nodes["priors"] >= 0,
                is_terminal=[is_terminal(node) for node in found.nodes], **links,
            )  # fmt: skip
    done = run_python(REPLAY, *sorted(tmp_path.iterdir()), NUMBA_DISABLE_JIT="1")
    assert [int(line) > 20 for line in done.stdout.split()] == [True] * len(GAMES) * len(STRATEGIES)


def test_a_choice_among_actions_of_no_prior_is_still_a_choice():
    """O must block at 2; the network is all for the losing cell 3, so that other priors are below what floats hold."""
    environment, states, _ = play("tic_tac_toe", (0, 4, 1))
    logits = np.where(np.arange(9) == 3, 0, -200).astype(np.float32)[None]
    found = Search(environment, states, strategy=GUMBEL)
    found.run_with(32, lambda obs: (logits, np.zeros(1, np.float32)))
    check(found)
    assert found.root["edge_outcomes"][3] == -1
    assert (found.nodes["action"] >= 0).all()


# --- determinism ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_games_searched_together_are_those_searched_alone(strategy):
    sources = [random_position("connect_four", seed, 3 * seed) for seed in range(8)]
    environment, _, params = sources[0]
    states = np.concatenate([source[1] for source in sources])

    def search(states, rngs):
        found = Search(environment, states, params, **STRATEGIES[strategy])
        found.tree.games["rng"] = rngs
        found.kernels.begin_all(found.tree, states)
        return found.run(50, ROLLOUT).tree.nodes

    rngs = np.arange(8, dtype=np.uint64) * 77
    together = search(states, rngs)
    assert (search(states, rngs) == together).all()
    for i in range(8):
        alone = search(states[i : i + 1], rngs[i : i + 1])
        assert alone.tobytes() == together[i : i + 1].tobytes()
    assert search(states, rngs + np.uint64(1)).tobytes() != together.tobytes()


# --- sequential halving -----------------------------------------------------------------------------------------


def test_schedules_worked_out_by_hand():
    """Every phase gets about as many simulations: two phases of 4 for four actions, three of 5 for eight."""
    assert halving_schedule(4, 8)[4].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert halving_schedule(8, 16)[8].tolist() == [0] * 8 + [1] * 4 + [2, 2, 3, 3]
    assert halving_schedule(4, 16)[4].tolist() == [0] * 4 + [1] * 4 + [2, 2, 3, 3, 4, 4, 5, 5]
    assert halving_schedule(2, 5)[2].tolist() == [0, 0, 1, 1, 2]
    assert halving_schedule(1, 4)[1].tolist() == [0, 1, 2, 3]
    assert halving_schedule(16, 8)[16].tolist() == [0] * 8  # too few to try all


@given(considered=st.integers(1, 40), num_simulations=st.integers(1, 300))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_schedules_visit_all_and_then_ever_fewer(considered, num_simulations):
    schedule = halving_schedule(40, num_simulations)[considered]
    assert len(schedule) == num_simulations
    assert (np.diff(schedule) >= 0).all()
    assert (np.diff(schedule) <= 1).all()
    sizes = np.bincount(schedule)  # how many actions get their v-th visit
    assert sizes[0] == min(considered, num_simulations)
    assert (np.diff(sizes) <= 0).all()
    halves = {max(2, considered >> i) if considered > 1 else 1 for i in range(7)}
    assert set(sizes[:-1].tolist()) <= halves  # the last may be cut
    if considered > 1 and num_simulations >= 2 * considered * math.ceil(math.log2(considered)):
        assert sizes[0] == sizes[1] == considered  # enough for two visits of all in the first phase


def test_a_gumbel_root_without_noise_follows_its_schedule():
    """Seven columns, four considered, eight simulations: the likeliest four once, the best two of them twice more."""
    environment, states, _ = play("connect_four")
    logits = np.arange(7, dtype=np.float32)[None] / 10

    def visits(values):
        found = Search(environment, states, strategy=GUMBEL, schedule=(4, 8))

        def evaluate(obs):
            k = found.tree.games[0]["leaf"]
            while found.nodes[k]["parent"] > 0:
                k = found.nodes[k]["parent"]
            first = found.nodes[k]["action"] if k else None
            sign = 1 if (obs.sum() % 2) == 0 else -1  # of who made the first move
            return logits, np.array([sign * values.get(first, 0.0)], np.float32)

        return found.run_with(8, evaluate).root["visit_counts"].tolist()

    assert visits({}) == [0, 0, 0, 1, 1, 3, 3]
    assert visits({3: 0.9}) == [0, 0, 0, 3, 1, 1, 3]  # one of less prior and more value goes on
    assert visits({6: -0.9, 0: 0.9}) == [0, 0, 0, 1, 3, 3, 1]  # 0 is not among those considered


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="'c_pukt' is no setting of a search; there are: strategy, c_puct, "):
        make_settings(c_pukt=1.0)
