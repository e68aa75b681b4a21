"""Hex: positions drawn by hand, the openings of the smallest board, and whole games against OpenSpiel."""

import os

import numpy as np
import pytest

import rlkit
from envs.board.hex import ENVIRONMENT, rules, yardstick
from rlkit.evaluation import run_episodes
from rlkit.viewing.canvas import TEXT, draw_frame

DRAWING = ENVIRONMENT.drawing


def play(names, **options):
    """Play moves such as "a1 b2 swap", both sides: (env, the last step's (reward, terminated), legal names)."""
    env = rlkit.make(ENVIRONMENT, opponent="self", **options)
    _, info = env.reset(seed=0)
    all_names, results = DRAWING.ACTION_NAMES(env.params), None
    for name in names.split():
        _, reward, terminated, _, info = env.step(all_names.index(name))
        results = (reward, terminated)
    return env, results, {all_names[action] for action in np.flatnonzero(info["action_mask"])}


def picture(env):
    """Return the stones as lines, the top first: x the first player's, o the second's."""
    size = int(env.params.board_size)
    cells = ["o.x"[int(np.sign(env.state.board[cell])) + 1] for cell in range(size * size)]
    return [" ".join(cells[row * size : (row + 1) * size]) for row in range(size)]


# --- rules by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moves", "is_won"),
    [
        ("b1 a1 b2 a2 b3", True),  # straight down
        ("c1 a1 b2 b1 a3", True),  # down and to the left: the long way round on the slant, and neighbours
        ("a1 c1 b2 b1 c3", False),  # down and to the right: b2 is no neighbour of a1
        ("a1 b1 a2 c1 b2 b3 c2 a3 c3", True),  # down, across, down
        ("b1 a2 c1 b2 a1 c2", True),  # the second player, left to right
        ("a1 a3 b1 b2 c3 c1", True),  # the second player, right and up
        ("a3 a1 c1 b2 b1 c3", False),
    ],
)
def test_a_chain_between_the_own_sides_wins(moves, is_won):
    names = moves.split()
    for count in range(1, len(names)):
        assert play(" ".join(names[:count]), board_size=3)[1] == (0.0, False)
    assert play(moves, board_size=3)[1] == ((1.0, True) if is_won else (0.0, False))


def test_the_last_stone_may_lie_between_chains_of_any_kind():
    # b3 joins a chain of the top (c1, c2), one of the bottom (a5, b4) and a loose one (e2, d3): rows of x below.
    env, results, _ = play("c1 a1 c2 a2 a5 e1 b4 e5 e2 e4 d3 e3", board_size=5)
    assert picture(env) == ["o . x . o", "o . x . x", ". . . x o", ". x . . o", "x . . . o"]
    assert results == (0.0, False)
    assert env.step(10 + 1)[1:3] == (1.0, True)
    assert DRAWING.winning_path(env.state, 5) == [20, 16, 11, 7, 2]


def test_a_loose_chain_is_joined_to_a_side_at_once_and_wins_at_its_other_end():
    # x: b2 b3 b4 loose; then b1 joins them to the top, and a5, below b4, ends the game.
    assert play("b2 e1 b3 e2 b4 e3 b1 e4", board_size=5)[1] == (0.0, False)
    assert play("b2 e1 b3 e2 b4 e3 b1 e4 a5", board_size=5)[1] == (1.0, True)
    assert play("b2 e1 b3 e2 b4 e3 a5 e4 c1", board_size=5)[1] == (1.0, True)


def test_what_the_mover_sees():
    env, _, _ = play("b1 c3", board_size=3)
    own, other = np.zeros((3, 3)), np.zeros((3, 3))
    own[0, 1] = other[2, 2] = 1
    obs = env.step(3)[0]  # a2; now the second player sees his stone first, and that he joins left and right
    own[1, 0] = 1
    assert (obs == [other, own, np.zeros((3, 3))]).all()
    obs = env.step(4)[0]
    other[1, 1] = 1
    assert (obs == [own, other, np.ones((3, 3))]).all()


def test_only_empty_cells_are_legal():
    _, _, legal = play("b1 c3 a2", board_size=3)
    assert legal == {"a1", "c1", "b2", "c2", "a3", "b3"}


def test_the_swap_mirrors_the_stone_and_gives_it_to_the_second_player():
    env, results, legal = play("d2", board_size=4, swap=1)
    assert legal == {*DRAWING.ACTION_NAMES(env.params)} - {"d2"}
    assert env.state.player == rules.SECOND
    env, results, legal = play("d2 swap", board_size=4, swap=1)
    assert results == (0.0, False)
    assert picture(env) == [". . . .", ". . . .", ". . . .", ". o . ."]  # column 2, row 4
    assert env.state.player == rules.FIRST
    assert legal == {*DRAWING.ACTION_NAMES(env.params)} - {"b4", "swap"}
    assert "swap" not in play("d2 a1", board_size=4, swap=1)[2]
    assert "swap" not in play("d2 swap a1", board_size=4, swap=1)[2]
    assert "swap" not in play("", board_size=4, swap=1)[2]


def test_a_swapped_stone_counts_for_its_new_sides():
    assert play("c1 swap b1 b2 b3", board_size=3, swap=1)[1] == (0.0, False)
    assert play("c1 swap b1 b2 b3 c2", board_size=3, swap=1)[1] == (1.0, True)  # a3 (which was c1), b2, c2
    assert play("a3 swap a1 b1 a2 c2 a3", board_size=3, swap=1)[1] == (1.0, True)  # a3 was free again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board_size": 2}, r"^board_size=2 is no board of Hex here: choose 3 to 11$"),
        ({"board_size": 12}, r"^board_size=12 "),
        ({"swap": 2}, r"^swap=2 must be 0 \(no swap\) or 1 \(the second player may swap\)$"),
    ],
)
def test_wrong_params_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        rlkit.make(ENVIRONMENT, **options)


def test_openings_are_random_and_nobody_has_won():
    env = rlkit.make_batch(ENVIRONMENT, 300, board_size=3, max_random_plies=8, opponent="self")
    env.reset(seed=1)
    counts = env.states["num_stones"]
    assert {*range(7)} <= {*counts.tolist()}
    assert (env.states["player"] == np.where(counts % 2 == 0, 1, -1)).all()
    assert (np.abs(env.states["board"]) <= rules.BOTH_SIDES).all()
    assert ((env.states["board"] != 0).sum(axis=1) == counts).all()


# --- whole games ------------------------------------------------------------------------------------------------


def winning_openings(size):
    """Return the names of the first moves that win, by a full search through the rules."""
    env = rlkit.make(ENVIRONMENT, opponent="self", board_size=size)
    env.reset(seed=0)
    known = {}

    def wins(snapshot, cell):
        """Return whether a stone on `cell` wins for the side to move."""
        env.restore(snapshot)
        if env.step(cell)[1] == 1.0:
            return True
        key = env.state.board.tobytes()
        if key not in known:
            after, empty = env.snapshot(), np.flatnonzero(env.state.board[: size * size] == rules.EMPTY)
            known[key] = not any(wins(after, reply) for reply in empty)
        return known[key]

    start = env.snapshot()
    return {name for cell, name in enumerate(DRAWING.ACTION_NAMES(env.params)[:-1]) if wins(start, cell)}


def test_the_openings_of_the_smallest_board():
    # On every board from 3 × 3 the cells a1 and b1 and their half turns lose (HexWiki, "Swap"); a full search of
    # OpenSpiel's game has the same five winners.
    assert winning_openings(3) == {"c1", "a2", "b2", "c2", "a3"}


def test_games_are_those_of_openspiel():
    pyspiel = pytest.importorskip("pyspiel")
    num_games = int(os.environ.get("RLKIT_GAMES", "300"))
    for board_size, swap in ((3, 1), (5, 0), (7, 1), (11, 0)):
        options = {"board_size": board_size, "swap": swap}
        theirs = pyspiel.load_game("hex", {"board_size": board_size, "swap": bool(swap)})
        compare(theirs, rlkit.make(ENVIRONMENT, opponent="self", **options), num_games // 4)


def compare(game, env, num_games):
    """Play random games in both and compare legal moves, the side to move and the winner; nobody draws."""
    rng = np.random.default_rng(1)
    for number in range(num_games):
        theirs, terminated = game.new_initial_state(), False
        _, info = env.reset(seed=number)
        while not terminated:
            legal = np.flatnonzero(info["action_mask"])
            assert legal.tolist() == theirs.legal_actions()
            player = int(env.state.player)
            assert player == (1, -1)[theirs.current_player()]
            action = int(rng.choice(legal))
            theirs.apply_action(action)
            _, reward, terminated, _, info = env.step(action)
            assert terminated == theirs.is_terminal()
        assert reward == 1.0
        assert theirs.returns() == [player, -player]


# --- the yardstick ----------------------------------------------------------------------------------------------


def obs_of(*lines, is_first=True):
    """Return the observation [3, n, n] in which the mover x looks at the lines, from the first player's sides."""
    cells = np.array([line.split() for line in lines])
    return np.stack([cells == "x", cells == "o", np.full(cells.shape, is_first)]).astype(np.float32)


def answer(name, obs, mask=None, **options):
    """Return the name of the cell that a policy of the yardstick plays."""
    params = ENVIRONMENT.params(board_size=len(obs[0]), **options)[0]
    action = ENVIRONMENT.yardstick.policies[name](params).act(obs, mask)
    return DRAWING.ACTION_NAMES(params)[action]


def circuit_of(*lines):
    """Return (resistance, current [n, n]) for the side x, which joins top and bottom."""
    resistance, current = yardstick.circuit(yardstick.own_boards(obs_of(*lines)[None]))
    return resistance[0], current[0]


SIDE = yardstick.RESISTANCE[1]


def test_resistances_in_a_row_add_up():
    # The only way is column a; a link is half of both its ends, and a side counts as a stone. Bridges are cut.
    resistance, current = circuit_of(". o o", ". o o", ". o o")
    assert resistance == pytest.approx(6 + 2 * SIDE, rel=1e-6)
    assert current == pytest.approx(np.array([[1, 0, 0]] * 3), abs=1e-6)
    resistance, _ = circuit_of("x o o", "x o o", "x o o")
    assert resistance == pytest.approx(8 * SIDE, rel=1e-6)


def test_currents_divide_between_ways():
    resistance, current = circuit_of(". o .", ". o .", ". o .")
    assert resistance == pytest.approx(3 + SIDE, rel=1e-6)
    assert current == pytest.approx(np.array([[0.5, 0, 0.5]] * 3), abs=1e-6)


def test_a_bridge_conducts_until_one_of_its_cells_is_taken():
    # From b2 to the top: b1, c1, and the bridge through both. Below, b3 joins it to the bottom.
    resistance, _ = circuit_of("o . .", "o x o", "o x o")
    assert resistance == pytest.approx(1 / (2 / (2 + 2 * SIDE) + yardstick.BRIDGE / (2 * SIDE)) + 4 * SIDE, rel=1e-6)
    resistance, _ = circuit_of("o o .", "o x o", "o x o")
    assert resistance == pytest.approx(2 + 2 * SIDE + 4 * SIDE, rel=1e-6)


def test_no_current_flows_through_a_wall():
    resistance, _ = circuit_of("x . x", "o o o", ". x x")
    assert resistance > 1e6


def test_paths_count_the_stones_they_lack():
    lines = (". x . .", ". o x .", "o o . .", ". . . .")  # c1 or d1, c3, and b4 or c4 are the shortest way
    wall = yardstick.FAR
    assert yardstick.path_lengths(yardstick.own_boards(obs_of(*lines)[None]))[0].tolist() == [
        [4, 3, 3, 3],
        [4, wall, 3, 4],
        [wall, wall, 3, 4],
        [4, 3, 3, 4],
    ]


@pytest.mark.parametrize("name", ["resistance", "path"])
def test_the_rules_join_and_block(name):
    assert answer(name, obs_of(". o .", ". x .", ". . .")) == "c1"  # the other half of the bridge
    assert answer(name, obs_of(". . .", ". o .", "x . x")) == "a2"  # all that keeps o from the left side
    assert answer(name, obs_of(". . . .", "o x . o", ". x o .", "o . . x")) == "b4"  # b1 and c1 are a bridge
    second = obs_of("x o . o", "x . . o", "x . x .", "x o . o", is_first=False)  # joins left and right
    assert answer(name, second) == "d3"


@pytest.mark.parametrize("name", ["resistance", "path"])
def test_both_players_are_played_alike(name):
    rng = np.random.default_rng(3)
    params = ENVIRONMENT.params(board_size=5)[0]
    policy = ENVIRONMENT.yardstick.policies[name](params)
    for _ in range(20):
        cells = rng.permutation([1] * 5 + [-1] * 5 + [0] * 15).reshape(5, 5)
        obs = np.stack([cells == 1, cells == -1, np.ones((5, 5))]).astype(np.float32)
        mirrored = np.concatenate([obs[:2].transpose(0, 2, 1), np.zeros((1, 5, 5), np.float32)])
        row, column = divmod(int(policy.act(obs)), 5)
        assert cells[row, column] == 0
        assert policy.act(mirrored) == column * 5 + row


def test_the_rules_swap_strong_openings():
    mask = np.ones(26, np.int8)
    for cell, is_strong in (("c3", True), ("b4", True), ("a1", False), ("a3", False), ("c5", False)):
        cells = np.full((5, 5), ".")
        cells[int(cell[1]) - 1, ord(cell[0]) - 97] = "o"
        obs = obs_of(*(" ".join(line) for line in cells), is_first=False)
        assert (answer("resistance", obs, mask, swap=1) == "swap") == is_strong
        assert answer("path", obs, np.append(mask[:-1], 0), swap=1) != "swap"  # where it is not legal


def test_the_references_are_of_graded_strength():
    options = {"max_random_plies": 8}
    params = ENVIRONMENT.params(**options)[0]
    strong, weak = (ENVIRONMENT.yardstick.policies[name](params) for name in ("resistance", "path"))
    scores = {}
    for name, opponent in (("path", weak), ("random", "random")):
        episodes = run_episodes(ENVIRONMENT, strong, 60, 1, opponent=opponent, **options)
        scores[name] = (episodes.returns == 1).mean()
    assert scores["random"] == 1.0
    assert scores["path"] > 0.75


# --- the picture ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("board_size", "swap"), [(3, 0), (7, 1), (11, 1)])
def test_a_mark_lies_where_a_click_plays(board_size, swap):
    env, _, _ = play("b1", board_size=board_size, swap=swap)
    for action in range(env.action_space.n):
        x, y = DRAWING.action_point(env.state, env.params, action)
        assert DRAWING.action_from_click(env.state, env.params, x, y) == action
        assert 0 < x < DRAWING.SIZE[0]
        assert 0 < y < DRAWING.SIZE[1]
    for x, y in ((2, 2), (DRAWING.SIZE[0] - 4, 4), (20, DRAWING.SIZE[1] - 20)):
        assert DRAWING.action_from_click(env.state, env.params, x, y) is None


def test_the_swap_is_offered_only_when_it_is_legal():
    for moves, expected in (("", None), ("b2", 49), ("b2 swap", None), ("b2 b3", None)):
        env, _, _ = play(moves, swap=1)
        x, y = DRAWING.action_point(env.state, env.params, 49)
        assert DRAWING.action_from_click(env.state, env.params, x, y) == expected


def test_only_the_end_of_a_game_shows_a_chain():
    env, _, _ = play("b1 a1 b2 a2", board_size=3)
    assert DRAWING.winning_path(env.state, 3) == []
    before = draw_frame(ENVIRONMENT, env.state, env.params)
    env.step(7)
    assert DRAWING.winning_path(env.state, 3) == [7, 4, 1]
    after = draw_frame(ENVIRONMENT, env.state, env.params)
    assert (after == TEXT).all(axis=2).sum() > 1000 > (before == TEXT).all(axis=2).sum()
