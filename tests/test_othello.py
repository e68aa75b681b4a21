"""Othello's rules: counts of all move sequences, positions drawn by hand, and OpenSpiel beside them."""

import os

import numpy as np
import pytest

import rlkit
from envs.board.othello import rules
from envs.board.othello.notation import ACTION_NAMES, parse_moves
from envs.board.othello.rules import PASS
from rlkit.engine.jit import jit
from rlkit.engine.state import states_equal
from rlkit.viewing.canvas import RED, draw_frame

OTHELLO = rlkit.find_environment("othello")
OPENING = """
    . . . . . . . .
    . . . . . . . .
    . . . . . . . .
    . . . o x . . .
    . . . x o . . .
    . . . . . . . .
    . . . . . . . .
    . . . . . . . ."""


def boards(diagram):
    """Return the bitboards (x, o) of a diagram as int64: what compiled rules calculate with."""
    marks = np.array(diagram.split())
    assert marks.shape == (64,)
    return tuple(np.packbits(marks == side, bitorder="little").view("<i8")[0] for side in "xo")


def names(bits):
    """Return the cells of a bitboard, in order of their rows."""
    return " ".join(ACTION_NAMES[cell] for cell in range(64) if int(bits) >> cell & 1)


def cells(plane):
    """Return the cells of a plane [8, 8] of an observation."""
    return " ".join(ACTION_NAMES[cell] for cell in np.flatnonzero(plane))


def env_at(diagram, player):
    """Return a ScalarEnv and its info at a diagram, x black and o white, `player` to move."""
    env = rlkit.make(OTHELLO, opponent="self")
    env.reset(seed=0)
    state, sides = env.state, boards(diagram)
    own, other = sides[::player]
    state.discs[:] = np.array(sides).view(np.uint64)
    state.player = player
    state.legal = np.int64(rules.legal_moves(own, other)).view(np.uint64)
    state.must_pass = state.legal == 0 and rules.legal_moves(other, own) != 0
    return env, env.restore(env.snapshot())[1]


def legal_names(info):
    return " ".join(ACTION_NAMES[action] for action in np.flatnonzero(info["action_mask"]))


# --- moves and flips ------------------------------------------------------------------------------------------


@jit
def perft(own, other, depth):
    """Count the sequences of `depth` moves."""
    legal = rules.legal_moves(own, other)
    if depth == 1:
        return rules.count_bits(legal)
    total = 0
    while legal:
        disc = legal & -legal
        legal &= legal - 1
        turned = rules.flips(own, other, disc)
        total += perft(other & ~turned, own | disc | turned, depth - 1)
    return total


def test_sequences_of_moves_are_as_many_as_published():
    counts = [perft(*boards(OPENING), depth) for depth in range(1, 9)]
    assert counts == [4, 12, 56, 244, 1396, 8200, 55092, 390216]


def test_the_opening():
    env = rlkit.make(OTHELLO, opponent="self")
    obs, info = env.reset(seed=0)
    assert (info["player"], legal_names(info)) == (1, "d3 c4 f5 e6")
    assert [cells(plane) for plane in obs] == ["e4 d5", "d4 e5", "d3 c4 f5 e6", "e3 f4 c5 d6"]
    obs, reward, terminated, _, info = env.step(ACTION_NAMES.index("f5"))
    assert (reward, terminated, info["player"], legal_names(info)) == (0.0, False, -1, "f4 d6 f6")
    assert [cells(plane) for plane in obs] == ["d4", "e4 d5 e5 f5", "f4 d6 f6", "c3 d3 c4"]


FLIPS = [
    (
        """
        x . . x . . x .
        . o . o . o . .
        . . o o o . . .
        x o o . o o o x
        . . o o o . . .
        . o . o . o . .
        x . . o . . x .
        . . . x . . . .""",
        "d4",
        "b2 d2 f2 c3 d3 e3 b4 c4 e4 f4 g4 c5 d5 e5 b6 d6 f6 d7",
        "in all eight directions",
    ),
    (
        """
        x . . . . . . x
        . o . . . . . o
        . . o . . . . o
        . . . o . . . o
        . . . . o . . o
        . . . . . o . o
        . . . . . . o o
        x o o o o o o .""",
        "h8",
        "b2 h2 c3 h3 d4 h4 e5 h5 f6 h6 g7 h7 b8 c8 d8 e8 f8 g8",
        "six in a row, to the corner that is the sign bit",
    ),
    (
        """
        . o o o o o o x
        o o . . . . . .
        o . o . . . . .
        o . . o . . . .
        o . . . o . . .
        o . . . . o . .
        o . . . . . o .
        x . . . . . . x""",
        "a1",
        "b1 c1 d1 e1 f1 g1 a2 b2 a3 c3 a4 d4 a5 e5 a6 f6 a7 g7",
        "and to the corner opposite",
    ),
    (
        """
        . . . . . . o x
        o o . . . . . .
        . . . . . . . .
        . . . . . o o .
        x . . . . . . .
        . . . . . . . .
        . . . . . . x o
        . . . . . . . .""",
        "h4",
        "",
        "f4 g4 end at an empty cell, the row goes on nowhere behind h4",
    ),
    (
        """
        . . . . . . . .
        . x . . . . . .
        . . o . . . . .
        . . . . o . . .
        . . . . . o . .
        . . . . . . x .
        . . . . . . . .
        . . . . . . . .""",
        "d4",
        "c3",
        "e4 is beside, but no black disc ends its row, while f5 is behind an empty cell",
    ),
]


@pytest.mark.parametrize(("diagram", "cell", "turned", "why"), FLIPS)
def test_what_turns(diagram, cell, turned, why):
    own, other = boards(diagram)
    disc = np.int64(np.uint64(1 << ACTION_NAMES.index(cell)).view(np.int64))
    assert names(rules.flips(own, other, disc)) == turned, why
    assert bool(rules.legal_moves(own, other) & disc) == bool(turned)


def test_lines_do_not_go_round_the_edge():
    diagram = """
        . . . o . . . .
        . . . x . . x o
        . . . . . . . .
        o x . . . . x .
        . x . . . . . o
        o . . . . . . .
        . . . . x . . .
        . . . . o . . ."""
    own, other = boards(diagram)
    assert names(rules.legal_moves(own, other)) == ""  # not a3, h3, a7, h6, nor above and below the board


@pytest.mark.parametrize("bits", [0, 1, 1 << 62, 1 << 63, (1 << 64) - 1, 0x8000000000000001, 0xFEDCBA9876543210])
def test_bits_are_counted_up_to_the_sign(bits):
    signed = np.uint64(bits).view(np.int64)
    assert rules.count_bits(signed) == bits.bit_count()
    if bits:
        assert rules.lowest_bit(signed) == (bits & -bits).bit_length() - 1


# --- passes and ends ------------------------------------------------------------------------------------------

BLACK_MUST_PASS = """
    . o o o o o o .
    . . . . . . . .
    . . . . . . . .
    . . . . . . . .
    . . . . . . . .
    . . . . . . . .
    . . . . . . . .
    o o o o o o x ."""


def test_a_side_that_can_not_play_passes_and_nothing_else():
    env, info = env_at(BLACK_MUST_PASS, 1)
    assert legal_names(info) == "pass"
    before = env.state.discs.copy()
    _, reward, terminated, _, info = env.step(PASS)
    assert (reward, terminated, info["player"], legal_names(info)) == (0.0, False, -1, "h8")
    assert (env.state.discs == before).all()
    _, reward, terminated, _, _ = env.step(ACTION_NAMES.index("h8"))
    assert (reward, terminated) == (1.0, True)  # black has no disc left


def test_a_pass_is_not_a_choice():
    env = rlkit.make(OTHELLO, opponent="self")
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(PASS)
    assert (reward, terminated, info["illegal_action"]) == (-1.0, True, True)


def test_the_shortest_game():
    env = rlkit.make(OTHELLO, opponent="self", episode_stats=True)
    env.reset(seed=0)
    for name in ["e6", "f4", "e3", "f6", "g5", "d6", "e7", "f5"]:
        _, reward, terminated, _, _ = env.step(ACTION_NAMES.index(name))
        assert (reward, terminated) == (0.0, False)
    _, reward, terminated, _, info = env.step(ACTION_NAMES.index("c5"))  # the last white disc turns
    assert (reward, terminated, info["episode"]["discs"]) == (1.0, True, 13)
    assert not info["action_mask"].any()


LAST_CELL = """
    x x x x x x x x
    x x x x x x x x
    x x x x x x x x
    {}
    o o o o o o o o
    o o o o o o o o
    x x o o o o o o
    . o x o o o o o"""


@pytest.mark.parametrize(
    ("fourth_row", "reward", "discs"),
    [("x x o o o o o o", -1.0, -2), ("x x x o o o o o", 0.0, 0), ("x x x x o o o o", 1.0, 2)],
)
def test_the_last_move_wins_draws_or_loses(fourth_row, reward, discs):
    env, info = env_at(LAST_CELL.format(fourth_row), 1)
    assert legal_names(info) == "a8"
    _, got, terminated, _, _ = env.step(ACTION_NAMES.index("a8"))
    assert (got, terminated) == (reward, True)
    out = np.zeros(1)
    rules.metrics(env.state, env.params, out)
    assert out[0] == discs


# --- beginnings, OpenSpiel, pictures ----------------------------------------------------------------------------


def test_random_beginnings_are_games_going_on():
    env = rlkit.make_batch(OTHELLO, 2000, opponent="self", max_random_plies=70)
    _, info = env.reset(seed=1)
    num_discs = np.array([sum(int(discs).bit_count() for discs in state.discs) for state in env.states])
    assert info["action_mask"].any(axis=1).all()
    assert (info["action_mask"][:, PASS] > 0).any()
    assert {4, 20, 40, 60} <= set(num_discs.tolist())
    assert (env.states["last"] == -1).sum() == (num_discs == 4).sum()


def test_games_are_those_of_open_spiel():
    """The same legal moves at every ply, and the same results, over `RLKIT_GAMES` random games."""
    pyspiel = pytest.importorskip("pyspiel")
    game = pyspiel.load_game("othello")
    env = rlkit.make(OTHELLO, opponent="self", episode_stats=True)
    rng = np.random.default_rng(1)
    num_passes, results = 0, []
    for _ in range(int(os.environ.get("RLKIT_GAMES", "200"))):
        theirs = game.new_initial_state()
        _, info = env.reset(seed=0)
        terminated = False
        while not terminated:
            legal = np.flatnonzero(info["action_mask"])
            assert legal.tolist() == theirs.legal_actions()
            assert info["player"] == 1 - 2 * theirs.current_player()
            action, player = int(rng.choice(legal)), info["player"]
            theirs.apply_action(action)
            _, reward, terminated, _, info = env.step(action)
            num_passes += action == PASS
            assert theirs.is_terminal() == terminated
        assert reward * player == theirs.returns()[0]
        board = str(theirs)
        assert info["episode"]["discs"] == board.count("x") - board.count("o")
        results.append(theirs.returns()[0])
    assert num_passes > 0
    assert set(results) == {1.0, 0.0, -1.0}


def test_clicks_points_and_names_agree():
    env = rlkit.make(OTHELLO, opponent="self")
    env.reset(seed=0)
    drawing, where = OTHELLO.drawing, (env.state, env.params)
    for action in range(64):
        assert drawing.action_from_click(*where, *drawing.action_point(*where, action)) == action
    assert drawing.action_point(*where, PASS) is None
    for point in ((5, 100), (100, 5), (575, 100), (100, 600)):
        assert drawing.action_from_click(*where, *point) is None
    assert [drawing.ACTION_NAMES[action] for action in (0, 7, 56, 63, 64)] == ["a1", "h1", "a8", "h8", "pass"]
    env.step(ACTION_NAMES.index("f5"))
    rows, columns = np.nonzero((draw_frame(OTHELLO, *where) == RED).all(axis=2))
    assert drawing.action_from_click(*where, columns.mean(), rows.mean()) == ACTION_NAMES.index("f5")


def test_a_pass_and_an_end_can_be_seen():
    env, _ = env_at(BLACK_MUST_PASS, 1)
    drawing = OTHELLO.drawing
    assert drawing.action_from_click(env.state, env.params, 5, 5) == PASS
    due = draw_frame(OTHELLO, env.state, env.params)
    env.step(PASS)
    assert (due[540:] != draw_frame(OTHELLO, env.state, env.params)[540:]).any()
    env.step(ACTION_NAMES.index("h8"))
    assert drawing.action_from_click(env.state, env.params, 5, 5) is None
    before = env.snapshot().states
    draw_frame(OTHELLO, env.state, env.params)
    assert states_equal(before, env.snapshot().states)


def test_moves_as_text():
    position = parse_moves("F5d6c3")
    assert (position.player, position.is_over) == (-1, False)
    assert [int(discs).bit_count() for discs in position.discs] == [5, 2]
    assert parse_moves("e6f4e3f6g5d6e7f5c5").is_over
