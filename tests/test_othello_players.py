"""Othello's yardstick: the search against trying everything, its strength, and the endgames it labels."""

import json

import numpy as np
import pytest
from tiny_environments import run_python

import rlkit
from envs.board.othello import endgames, search
from envs.board.othello.notation import ACTION_NAMES, parse_moves
from envs.board.othello.players import compiled, greedy, positions_of, searcher
from rlkit.evaluation import run_episodes

OTHELLO = rlkit.find_environment("othello")
PARAMS = OTHELLO.params()[0]
YARDSTICK = OTHELLO.yardstick

# --- a slow Othello of sets of (row, column) ------------------------------------------------------------------


def turned_by(own, other, cell):
    found = set()
    for down, across in [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]:
        run, (row, column) = set(), (cell[0] + down, cell[1] + across)
        while (row, column) in other:
            run.add((row, column))
            row, column = row + down, column + across
        found |= run if (row, column) in own else set()
    return found


def moves_of(own, other):
    """Return {cell: position after it, of the side then to move}."""
    found = {}
    for cell in {(row, column) for row in range(8) for column in range(8)} - own - other:
        turned = turned_by(own, other, cell)
        if turned:
            found[cell] = (other - turned, own | turned | {cell})
    return found


def difference(own, other):
    """Return the discs that the side to move is ahead by under perfect play, trying everything."""
    moves = moves_of(own, other)
    if moves:
        return max(-difference(*after) for after in moves.values())
    if moves_of(other, own):
        return -difference(other, own)
    return len(own) - len(other)


def sets_of(position):
    """Return (own, other) as sets of cells."""
    return tuple({divmod(cell, 8) for cell in range(64) if int(bits) >> cell & 1} for bits in position)


def late_positions(num_empty, count):
    """Return positions with so few empty cells, uint64 [count, 2], from uniformly random play."""
    env = rlkit.make_batch(OTHELLO, 1000, opponent="self", max_random_plies=62)
    obs, _ = env.reset(seed=5)
    chosen = obs[:, :2].sum(axis=(1, 2, 3)) == 64 - num_empty
    assert chosen.sum() >= count
    return positions_of(obs[chosen])[:count]


def scores_of(positions, depth, window=search.WIN):
    scores = np.empty((len(positions), 65), np.int64)
    compiled().score_moves(positions, depth, window, scores, search.new_memory())
    return scores


# --- the search -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_empty", [1, 2, 3, 4, 5])
def test_endgames_are_solved_as_by_trying_everything(num_empty):
    positions = late_positions(num_empty, 6)
    for position, scores in zip(positions, scores_of(positions, num_empty), strict=True):
        own, other = sets_of(position)
        expected = {8 * row + column: -difference(*after) for (row, column), after in moves_of(own, other).items()}
        if not expected and moves_of(other, own):
            expected = {64: -difference(other, own)}
        got = {action: score / search.DISC for action, score in enumerate(scores) if score != search.ILLEGAL}
        assert got == expected


def test_a_window_of_one_gives_wins_draws_and_losses():
    positions = late_positions(8, 10)
    exact, signs = scores_of(positions, 8), scores_of(positions, 8, window=1)
    legal = exact != search.ILLEGAL
    assert legal.any(axis=1).sum() >= 8
    assert (np.sign(exact[legal]) == np.sign(signs[legal])).all()


def negamax(own, other, depth):
    """The search without alpha-beta, its estimate included."""
    moves = moves_of(own, other)
    if not moves:
        return -negamax(other, own, depth) if moves_of(other, own) else search.DISC * (len(own) - len(other))
    if depth == 0:
        return estimated(own, other)
    return max(-negamax(*after, depth - 1) for after in moves.values())


def estimated(own, other):
    """The estimate, counted cell by cell."""
    empty = {(row, column) for row in range(8) for column in range(8)} - own - other

    def could_enclose(discs):
        """Return the empty cells that have one of `discs` beside them with a cell of the board behind it."""
        return sum(
            any(
                (row + down, column + across) in discs and 0 <= row + 2 * down < 8 and 0 <= column + 2 * across < 8
                for down in (-1, 0, 1)
                for across in (-1, 0, 1)
            )
            for row, column in empty
        )

    value = search.MOVE * (len(moves_of(own, other)) - len(moves_of(other, own)))
    value += search.BESIDE * (could_enclose(other) - could_enclose(own))
    for row, column in ((0, 0), (0, 7), (7, 0), (7, 7)):
        inner_row, inner_column = abs(row - 1), abs(column - 1)
        for side, sign in ((own, 1), (other, -1)):
            value += sign * search.CORNER * ((row, column) in side)
            if (row, column) in empty:
                value -= sign * search.ON_DIAGONAL * ((inner_row, inner_column) in side)
                value -= sign * search.ON_EDGE * (((inner_row, column) in side) + ((row, inner_column) in side))
    return value


@pytest.mark.parametrize("num_empty", [12, 30, 48])
def test_the_search_is_negamax_over_its_estimate(num_empty):
    (position,) = late_positions(num_empty, 1)
    own, other = sets_of(position)
    (scores,) = scores_of(position[None], 3)
    for (row, column), after in moves_of(own, other).items():
        assert scores[8 * row + column] == -negamax(*after, 2)


def test_the_player_takes_a_best_move():
    positions = late_positions(9, 10)
    obs = np.array(
        [[[[int(bits) >> 8 * r + c & 1 for c in range(8)] for r in range(8)] for bits in p] for p in positions]
    )
    assert (positions_of(obs) == positions).all()
    exact = scores_of(positions, 9)
    can_play = (exact[:, :64] != search.ILLEGAL).any(axis=1)
    actions = searcher(depth=1, num_exact=9).act(obs.astype(np.float32))
    assert can_play.sum() >= 8
    assert (exact[np.arange(10), actions] == exact.max(axis=1))[can_play].all()
    assert (actions == 64)[~can_play].all()


def test_greedy_turns_most():
    obs = np.zeros((4, 8, 8), np.float32)
    obs[1, 0, [1, 2, 6]] = obs[1, 7, 1:7] = 1  # b1 c1 g1 and b8 to g8 are the other's
    obs[0, 0, [3, 5]] = obs[0, 7, 7] = 1  # d1, f1 and h8 our own
    assert ACTION_NAMES[greedy().act(obs)] == "a8"
    obs[:, 7] = 0
    assert ACTION_NAMES[greedy().act(obs)] == "a1"
    assert greedy().act(np.zeros((4, 8, 8), np.float32)) == 64


@pytest.mark.parametrize(
    ("stronger", "weaker", "least"), [("search", "rule", 0.8), ("rule", "greedy", 0.4), ("greedy", "random", 0.05)]
)
def test_each_player_beats_the_next(stronger, weaker, least):
    policy = YARDSTICK.policies[stronger](PARAMS)
    episodes = run_episodes(OTHELLO, policy, 100, seed=0, opponent=weaker, level="openings")
    assert episodes.returns.mean() > least


PLAY_IN_PLAIN_PYTHON = """
import json, sys
import numpy as np
from envs.board.othello import search
positions = np.array(json.loads(sys.argv[1]), np.uint64)
actions = np.empty(len(positions), np.int64)
search.choose_moves(positions, 2, 4, actions, search.new_memory())
print(json.dumps(actions.tolist()))
"""


def test_the_players_are_the_same_in_plain_python():
    positions = np.concatenate([late_positions(num_empty, 5) for num_empty in (4, 20, 40)])
    compiled_actions = np.empty(len(positions), np.int64)
    compiled().choose_moves(positions, 2, 4, compiled_actions, search.new_memory())
    said = run_python(PLAY_IN_PLAIN_PYTHON, json.dumps(positions.tolist()), NUMBA_DISABLE_JIT="1")
    assert json.loads(said.stdout) == compiled_actions.tolist()


# --- endgames and facts -----------------------------------------------------------------------------------------


def test_the_sets_of_endgames_are_disjoint_and_of_one_size():
    tune, test = (endgames.load(name) for name in ("tune", "test"))
    everything = np.concatenate([positions_of(tune.obs), positions_of(test.obs)])
    assert len(np.unique(everything, axis=0)) == len(everything)
    for found in (tune, test):
        assert len(found.obs) > 1800
        assert (found.obs[:, :2].sum(axis=(1, 2, 3)) == 54).all()
        assert ((found.values > -2) == (found.action_mask == 1)).all()
        assert 350 < found.is_decisive.sum() < 550
        assert set(found.values.max(axis=1).tolist()) == {-1, 0, 1}


def test_scores_grade_players():
    found = endgames.load("test")
    legal = found.action_mask == 1
    shares = (found.keeps_value & legal).sum(axis=1) / legal.sum(axis=1)  # of random play
    rows = {name: YARDSTICK.score(build(PARAMS), True) for name, build in YARDSTICK.policies.items()}
    assert rows["search"] == {"value_kept": 1.0, "value_kept_decisive": 1.0}
    assert rows["rule"]["value_kept_decisive"] > shares[found.is_decisive].mean() + 0.2
    assert shares.mean() + 0.04 < rows["rule"]["value_kept"] < 1
    assert rows["greedy"]["value_kept_decisive"] < shares[found.is_decisive].mean()  # many discs early are no use


def test_facts_of_the_opening_and_of_an_end():
    facts = YARDSTICK.explain("")
    assert (facts["player"], facts["discs"], facts["is_exact"]) == (1, [2, 2], False)
    assert list(facts["scores"]) == ["d3", "c4", "f5", "e6"]
    assert len(set(facts["scores"].values())) == 1  # the four are images of each other
    facts = YARDSTICK.explain("e6f4e3f6g5d6e7f5c5")
    assert (facts["discs"], facts["scores"]) == ([13, 0], {})


def test_facts_near_the_end_are_exact():
    policy = searcher(depth=2, num_exact=0)
    env = rlkit.make(OTHELLO, opponent="self")
    obs, info = env.reset(seed=0)
    moves = ""
    while obs[:2].sum() < 60:
        action = int(policy.act(obs, info["action_mask"]))
        moves += ACTION_NAMES[action] if action < 64 else ""
        obs, _, terminated, _, info = env.step(action)
        assert not terminated
    facts = YARDSTICK.explain(moves)
    own, other = sets_of(positions_of(obs[None])[0])
    expected = {ACTION_NAMES[8 * r + c]: -difference(*after) for (r, c), after in moves_of(own, other).items()}
    assert facts["is_exact"]
    assert facts["scores"] == expected


@pytest.mark.parametrize(
    ("moves", "sentence"),
    [
        ("f5x", "move 2 of 'f5x' is 'x'; moves are cells a1 to h8, as in 'f5d6c3'"),
        ("f5i9", "move 2 of 'f5i9' is 'i9'; moves are cells a1 to h8, as in 'f5d6c3'"),
        ("f5f5", "move 2 of 'f5f5' plays f5, which encloses nothing; legal are: f4 d6 f6"),
        (
            "e6f4e3f6g5d6e7f5c5a1",
            "move 10 of 'e6f4e3f6g5d6e7f5c5a1' comes after the game's end: drop it and what follows",
        ),
    ],
)
def test_bad_moves_are_refused_in_one_sentence(moves, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_moves(moves)
    assert str(error.value) == sentence
