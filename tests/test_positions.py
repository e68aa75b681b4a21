"""Labelled positions: the shipped Connect Four sets, the figures by hand, files, and won openings."""

import csv
import gzip
import lzma
import re
from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
from connect_four_helpers import columns_of, winning_columns
from gymnasium import spaces

from envs.board.connect_four import ENVIRONMENT, conversion, positions
from envs.board.connect_four.bitboard import ILLEGAL
from envs.board.connect_four.solver import best_move, move_scores, parse_moves
from rlkit.learning.policy import FunctionPolicy, Situation
from rlkit.positions import Breakdown, Positions, chances_of, figures, random_chances, report, situation_after

YARDSTICK = ENVIRONMENT.yardstick
SPACE = ENVIRONMENT.observation_space

# Positions of P. Pons's set of begin-medium ones (up to 14 plies, 14 to 28 left), with their scores.
PONS = {"54341": 6, "347246": 7, "257575": -5, "2354373": -4, "75734233473735": 0, "341346651321": -8}


@pytest.fixture(scope="module", params=["tune", "test"])
def lines(request):
    """The lines of a shipped set as text: (its name, rows of cells)."""
    file = files("envs.board.connect_four") / f"positions_{request.param}.csv.xz"
    header, *rows = csv.reader(lzma.decompress(file.read_bytes()).decode().splitlines())
    assert header == ["moves", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]
    return request.param, rows


def sign(number):
    return (number > 0) - (number < 0)


# The shipped sets --------------------------------------------------------------------------------------------


def test_a_set_is_drawn_as_it_says(lines):
    _, rows = lines
    assert len(rows) == 2000
    plies = [len(moves) for moves, *_ in rows]
    assert {plies.count(ply) for ply in range(4, 36)} == {62, 63}
    for moves, *scores in rows:
        columns = columns_of(moves)
        assert [score == "" for score in scores] == [len(column) == 6 for column in columns]
        assert sum(score != "" for score in scores) >= 2
        assert not (winning_columns(columns, "X") and winning_columns(columns, "O"))


def test_no_two_positions_are_equal_or_mirrored():
    seen = [columns_of(_moves(name, i)) for name in ("tune", "test") for i in range(2000)]
    assert len({min(columns, columns[::-1]) for columns in seen}) == 4000


def _moves(name, i):
    return "".join(str(column + 1) for column in positions.load(name).situation.actions[i])


def test_random_play_keeps_the_value_as_often_as_it_must(lines):
    name, rows = lines
    shares, decisive = [], []
    for _, *cells in rows:
        scores = [int(cell) for cell in cells if cell]
        kept = sum(sign(score) == sign(max(scores)) for score in scores)
        shares.append(Fraction(kept, len(scores)))
        if kept < len(scores):
            decisive.append(shares[-1])
    expected = {"tune": (0.70087, 0.37811, 962), "test": (0.69478, 0.37326, 974)}[name]
    found = float(sum(shares) / len(shares)), float(sum(decisive) / len(decisive))
    assert (*found, len(decisive)) == pytest.approx(expected, abs=1e-5)
    assert 0.68 < found[0] < 0.74
    assert 0.36 < found[1] < 0.43
    loaded = positions.load(name)
    ours = figures(loaded, random_chances(loaded))
    assert (ours["value_kept"], ours["value_kept_decisive"]) == pytest.approx(found)
    assert ours["value_kept"] == pytest.approx(1 - ours["value_lost"])


def test_labels_are_the_solvers(lines):
    _, rows = lines
    late = [row for row in rows if len(row[0]) >= 18]
    for moves, *cells in late[::50]:
        assert move_scores(parse_moves(moves)).tolist() == [int(cell) if cell else ILLEGAL for cell in cells]


def test_the_rule_scores_what_is_on_record():
    test_set = positions.load("test")
    rule = YARDSTICK.policies["rule"](None)
    assert YARDSTICK.score(rule, True) == positions.score(rule, test_set)
    assert positions.score(rule, test_set) == {
        "value_kept": pytest.approx(0.9030),
        "value_kept_decisive": pytest.approx(0.8008, abs=1e-4),
    }
    lost = positions.mistakes(rule, test_set)
    assert sum(count for _, count in lost.values()) == 2000
    assert sum(share * count for share, count in lost.values()) == pytest.approx(2000 * (1 - 0.9030))


# What policies see -------------------------------------------------------------------------------------------


def test_a_situation_is_the_environments():
    games = [[], [3, 3, 4, 2], [0] * 6]
    situation = situation_after(ENVIRONMENT, games)
    assert situation.obs.shape == (3, 2, 6, 7)
    own, other = np.zeros((2, 6, 7))
    own[0, 3] = own[0, 4] = 1  # the first player's discs, who moves again after four plies
    other[1, 3] = other[0, 2] = 1
    assert situation.obs[1].tolist() == [own.tolist(), other.tolist()]
    assert situation.action_mask.tolist() == [[1] * 7, [1] * 7, [0] + [1] * 6]
    assert situation.states["player"].tolist() == [1, 1, 1]
    assert situation.states["height"].tolist() == [[0] * 7, [0, 0, 1, 2, 1, 0, 0], [6] + [0] * 6]
    assert situation.states["num_steps"].tolist() == [0, 4, 6]
    assert situation.actions == games
    assert situation.obs[0].sum() == 0


def test_policies_are_asked_with_all_there_is_to_know():
    class Asked:
        def act_in(self, situation, deterministic):
            assert deterministic
            assert situation.states.dtype == ENVIRONMENT.rules.STATE
            assert [len(moves) for moves in situation.actions] == situation.states["num_steps"].tolist()
            return situation.action_mask.argmax(axis=1)

    test_set = positions.load("test")
    first = FunctionPolicy(lambda obs, mask: mask.argmax(axis=1), SPACE)
    assert positions.score(Asked(), test_set) == positions.score(first, test_set)


# Figures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def three():
    """Three positions of three moves: one move loses a win; all lose, one is illegal; one keeps a loss from a draw."""
    scores = np.array([[2, 0, 1], [-1, -3, ILLEGAL], [0, 0, -2]], np.int8)
    situation = Situation(np.zeros((3, 1)), (scores != ILLEGAL).astype(np.int8), np.zeros(3), None)
    return Positions(situation, scores, {"half": Breakdown(["early", "none", "late"], np.array([0, 0, 2]))})


def test_figures_by_hand(three):
    policy = FunctionPolicy(lambda obs, mask: np.array([2, 1, 2]), spaces.Box(0, 1, (1,)))
    assert three.best_scores.tolist() == [2, -1, 0]
    assert three.is_decisive.tolist() == [True, False, True]
    assert figures(three, chances_of(policy, three)) == {
        "value_kept": pytest.approx(2 / 3),
        "value_kept_decisive": 0.5,
        "best_move": 0.0,
        "value_lost": pytest.approx(1 / 3),
        "count": 3,
        "count_decisive": 2,
    }
    assert figures(three, random_chances(three)) == {
        "value_kept": pytest.approx((2 / 3 + 1 + 2 / 3) / 3),
        "value_kept_decisive": pytest.approx(2 / 3),
        "best_move": pytest.approx((1 / 3 + 1 / 2 + 2 / 3) / 3),
        "value_lost": pytest.approx((1 / 3 + 1 / 3) / 3),
        "count": 3,
        "count_decisive": 2,
    }


def test_a_report_breaks_figures_down(three):
    table = report(three, {"random": random_chances(three)})["breakdowns"]["half"]
    assert list(table) == ["early", "late"]
    assert table["early"]["random"]["value_kept"] == pytest.approx(5 / 6)
    assert table["early"]["random"]["count"] == 2
    assert table["late"]["random"]["best_move"] == pytest.approx(2 / 3)


def test_plies_left_by_hand():
    plies, scores = np.array([len(moves) for moves in PONS]), np.array([*PONS.values()])
    # 54341: the side to move has 2 discs and wins with its 22 - 6 = 16th, so 14 of its own and 13 of the other's.
    assert positions.plies_left(plies, scores).tolist() == [27, 23, 28, 28, 28, 16]
    assert positions.plies_left(np.array([0, 6, 7, 41]), np.array([1, 18, 18, 0])).tolist() == [41, 1, 1, 1]


def test_perfect_play_goes_on_as_long_as_that():
    test_set = positions.load("test")
    left = positions.plies_left(np.array([len(moves) for moves in test_set.situation.actions]), test_set.best_scores)
    late = [i for i, moves in enumerate(test_set.situation.actions) if len(moves) >= 20]
    for i in late[::100]:
        moves = _moves("test", i)
        for _ in range(left[i]):  # parse_moves refuses to go on after a win
            moves += str(best_move(parse_moves(moves)) + 1)
        before = moves[:-1]
        wins = winning_columns(columns_of(before), "XO"[len(before) % 2])
        assert int(moves[-1]) - 1 in wins or len(moves) == 42


def test_known_positions_are_in_their_class(tmp_path):
    scores = {moves: move_scores(parse_moves(moves)).tolist() for moves in PONS}
    assert {moves: max(row) for moves, row in scores.items()} == PONS
    file = _write(tmp_path / "pons.csv", *(f"{moves},{_cells(row)}" for moves, row in scores.items()))
    keeps_left = FunctionPolicy(lambda obs, mask: mask.argmax(axis=1), SPACE)
    lost = sum(sign(row[0]) != sign(max(row)) for row in scores.values())
    assert positions.mistakes(keeps_left, positions.read(file)) == {("begin", "medium"): (lost / 6, 6)}


# Files -------------------------------------------------------------------------------------------------------

HEADER = "moves,s1,s2,s3,s4,s5,s6,s7"
EMPTY_BOARD = ",-2,-1,0,1,0,-1,-2"  # no moves yet
FULL_COLUMN = "11111122,,0,-2,0,-3,-3,-3"


def _cells(row):
    return ",".join("" if score == ILLEGAL else str(score) for score in row)


def _write(path, *lines):
    text = "\n".join([HEADER, *lines, ""])
    opened = {".csv": open, ".gz": gzip.open, ".xz": lzma.open}[path.suffix]
    with opened(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.xz"])
def test_files_of_any_kind(tmp_path, ending):
    read = positions.read(_write(tmp_path / f"mine.{ending}", EMPTY_BOARD, FULL_COLUMN))
    assert read.scores.tolist() == [[-2, -1, 0, 1, 0, -1, -2], [ILLEGAL, 0, -2, 0, -3, -3, -3]]
    assert read.situation.actions == ([], [0, 0, 0, 0, 0, 0, 1, 1])
    assert read.keeps_value[0].tolist() == [False, False, False, True, False, False, False]
    assert read.keeps_value[1].tolist() == [False, True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4453,-5,-5,-2,-3,-4,-2", "line 3: has 7 cells instead of 8"),
        ("", "line 3: has 0 cells instead of 8"),
        ("44x3,-5,-5,-2,-3,-4,-2,-2", "line 3: move 3 is 'x', but moves are columns 1 to 7"),
        ("1111111,,0,0,0,0,0,0", "line 3: move 7 goes into column 1, which is already full"),
        ("1212121,0,0,0,0,0,0,0", "line 3: after 1212121 the game is over, so no move has a score"),
        ("4453,-5,-5,,-3,-4,-2,-2", "line 3: s3 is '', but column 3 is not full, so it must be a number"),
        ("11111122,1,0,-2,0,-3,-3,-3", "line 3: s1 is '1', but column 1 is full, so it must be empty"),
        ("4453,-5,win,-2,-3,-4,-2,-2", "line 3: s2 is 'win', but scores are whole numbers from -18 to 18"),
        ("4453,-5,19,-2,-3,-4,-2,-2", "line 3: s2 is '19', but scores"),
        ("4453,-5,--1,-2,-3,-4,-2,-2", "line 3: s2 is '--1', but scores"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    file = _write(tmp_path / "bad.csv", EMPTY_BOARD, line)
    with pytest.raises(ValueError, match="bad.csv: " + re.escape(message)):
        positions.read(file)


def test_a_bad_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"positions\.txt is neither a set of labelled positions nor a \.csv"):
        positions.read("positions.txt")
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.csv"):
        positions.read("nowhere.csv")
    with pytest.raises(ValueError, match="has no positions, only a header"):
        positions.read(_write(tmp_path / "empty.csv"))
    (tmp_path / "other.csv").write_text("board,score\n")
    with pytest.raises(ValueError, match="line 1 must be moves,s1,s2,s3,s4,s5,s6,s7"):
        positions.read(str(tmp_path / "other.csv"))
    for ending in ("csv.gz", "csv.xz"):
        path = tmp_path / f"cut.{ending}"
        whole = (tmp_path / _write(tmp_path / f"whole.{ending}", EMPTY_BOARD)).read_bytes()
        for damaged in (whole[:-12], b"no archive", whole[:20] + b"?" + whole[21:]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=f"cut.{ending}: "):
                positions.read(str(path))
    (tmp_path / "latin.csv").write_bytes(b"moves\xe9")
    with pytest.raises(ValueError, match=r"latin\.csv: "):
        positions.read(str(tmp_path / "latin.csv"))


# Won openings ------------------------------------------------------------------------------------------------


def test_won_openings_are_won_and_seeded():
    openings = [conversion.won_opening(np.random.default_rng(seed)) for seed in range(60)]
    assert {len(moves) for moves, _ in openings} == {4, 5, 6, 7, 8}
    for moves, position in openings:
        assert position == parse_moves("".join(str(column + 1) for column in moves))
        assert move_scores(position).max() > 0
    again, _ = conversion.won_opening(np.random.default_rng(3))
    assert again == openings[3][0]


@pytest.fixture
def _late_openings(monkeypatch):
    """Openings of which the solver is done quickly: won positions of 20 plies or more in the set."""
    tune = positions.load("tune")
    won = [moves for moves, best in zip(tune.situation.actions, tune.best_scores, strict=True) if best > 0]
    late = [moves for moves in won if len(moves) >= 20]

    def draw(rng):
        moves = late[rng.integers(len(late))]
        return moves, parse_moves("".join(str(column + 1) for column in moves))

    monkeypatch.setattr(conversion, "won_opening", draw)


@pytest.mark.usefixtures("_late_openings")
def test_conversion_of_the_perfect_player_and_others():
    perfect = conversion.conversion(YARDSTICK.policies["solver"](None), 20, seed=1)
    assert (perfect.mean, perfect.count) == (1.0, 20)
    assert perfect.low == pytest.approx(0.8389, abs=1e-4)  # Wilson's interval of 20 of 20
    left = FunctionPolicy(lambda obs, mask: mask.argmax(axis=1), SPACE)
    other = YARDSTICK.conversion(left, 20, 1)
    assert 0 < other.mean < 1
    assert other == conversion.conversion(left, 20, 1)


@pytest.mark.usefixtures("_late_openings")
def test_an_illegal_move_is_named():
    illegal = FunctionPolicy(lambda obs, mask: mask.argmin(axis=1), SPACE)
    with pytest.raises(ValueError, match=r"after [1-7]+ column [1-7] is full, but the policy plays it"):
        conversion.conversion(illegal, 20, 1)
