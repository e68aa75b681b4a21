import functools
import gzip

import numpy as np
import pytest
from connect_four_helpers import is_line

from envs.board.connect_four import book, solver_search
from envs.board.connect_four.bitboard import ILLEGAL, has_four
from envs.board.connect_four.solver import best_move, from_board, move_scores, move_scores_many, parse_moves
from rlkit.engine.bind import bind

SEARCH = bind(solver_search)

# Lines of the table that the book was made from (see book.py).
TABLE = [
    "11111122,,0,-2,0,-3,-3,-3",
    "16665663,-4,-4,-3,-3,-3,-4,-3",
    "44144546,-6,-6,-1,-6,-1,-3,-5",
    "16177717,17,3,0,3,0,1,0",
    "24434444,2,2,0,,5,4,2",
]


@functools.cache
def brute_force(columns):
    """The score of each move by trying everything; None where illegal."""
    num_discs = sum(map(len, columns))
    scores: list[int | None] = []
    for column in range(7):
        if len(columns[column]) == 6:
            scores.append(None)
            continue
        after = (*columns[:column], columns[column] + "XO"[num_discs % 2], *columns[column + 1 :])
        if is_line(after, column):
            scores.append(22 - (num_discs // 2 + 1))
        elif num_discs == 41:
            scores.append(0)
        else:
            scores.append(-max(score for score in brute_force(after) if score is not None))
    return scores


def random_columns(num_discs, rng):
    """A position that nobody has won, reached by uniformly random play."""
    while True:
        columns = [""] * 7
        for turn in range(num_discs):
            column = rng.choice([c for c in range(7) if len(columns[c]) < 6])
            columns[column] += "XO"[turn % 2]
            if is_line(columns, column):
                break
        else:
            return tuple(columns)


def board_of(columns):
    """The environment's array and the player to move."""
    board = np.zeros((6, 7), np.int8)
    for column, discs in enumerate(columns):
        for row, disc in enumerate(discs):
            board[row, column] = 1 if disc == "X" else -1
    return board, 1 if sum(map(len, columns)) % 2 == 0 else -1


def test_the_empty_board_has_its_published_scores():
    assert move_scores(parse_moves("")).tolist() == [-2, -1, 0, 1, 0, -1, -2]


@pytest.mark.parametrize("line", TABLE)
def test_the_book_holds_the_table(line):
    moves, *scores = line.split(",")
    expected = [int(score) if score else ILLEGAL for score in scores]
    assert move_scores(parse_moves(moves)).tolist() == expected


def test_a_win_is_scored_by_the_discs_of_the_winner():
    assert move_scores(parse_moves("121212"))[0] == 18  # the fourth disc of the first player
    assert move_scores(parse_moves("1212127"))[0] < move_scores(parse_moves("1212127"))[1] == 18
    assert move_scores(parse_moves("4453")).tolist() == [-5, -5, -2, -3, -4, -2, -2]


def test_the_book_has_the_counts_of_the_public_data_set():
    # The positions of UCI's "connect-4" set: 8 discs, nobody has won and nobody threatens to win at once.
    keys, values = book.load()[8]
    columns = [(keys >> (7 * column)) & 127 for column in range(7)]
    height = [np.searchsorted([1, 3, 7, 15, 31, 63], bits, "right") for bits in columns]
    filled = sum(((1 << h) - 1) << (7 * column) for column, h in enumerate(height))
    own = keys - filled
    threatened = np.zeros(len(keys), bool)
    for column in range(7):
        cell = np.where(height[column] < 6, 1 << (7 * column + height[column]), 0)
        threatened |= has_four(own | cell) | has_four(own ^ filled | cell)
    counts = {sign: int((np.sign(values[~threatened]) == sign).sum()) for sign in (1, -1, 0)}
    assert counts == {1: 44473, -1: 16635, 0: 6449}


@pytest.mark.parametrize("num_discs", [32, 33, 34, 36, 39, 40, 41])
def test_the_search_agrees_with_brute_force(num_discs):
    rng = np.random.default_rng(num_discs)
    for _ in range(12):
        columns = random_columns(num_discs, rng)
        expected = [ILLEGAL if score is None else score for score in brute_force(columns)]
        assert move_scores(from_board(*board_of(columns))).tolist() == expected
    brute_force.cache_clear()


def test_the_search_agrees_with_the_book():
    rng = np.random.default_rng(1)
    memory = SEARCH.new_memory()
    scores = np.zeros(7, np.int8)
    for _ in range(6):
        own, filled = from_board(*board_of(random_columns(9, rng)))
        SEARCH.score_moves(own, filled, solver_search.MAX_SCORE, scores, memory)
        assert scores.max() == book.value(own, filled)


@pytest.mark.parametrize("num_discs", [3, 8, 9, 14, 25])
def test_mirrored_positions_have_mirrored_scores(num_discs):
    columns = random_columns(num_discs, np.random.default_rng(num_discs))
    scores = move_scores(from_board(*board_of(columns)))
    assert move_scores(from_board(*board_of(columns[::-1]))).tolist() == scores[::-1].tolist()


def test_the_score_of_a_move_is_minus_the_best_reply():
    position = parse_moves("44444122226616")  # 14 discs, and 13 after the last was taken back
    before = parse_moves("4444412222661")
    assert move_scores(before)[5] == -move_scores(position).max()


def test_an_empty_table_knows_nothing():
    # The position whose check is smallest must not match empty entries.
    inverse = pow(solver_search.MULTIPLIER, -1, 1 << solver_search.KEY_BITS)
    key = (5 << solver_search.CHECK_BITS) * inverse % (1 << solver_search.KEY_BITS)
    memory = SEARCH.new_memory()
    assert SEARCH.bounds(key, 0, memory) == (-64, 64)
    SEARCH.remember(key, 0, 20, -3, 4, memory)
    assert SEARCH.bounds(key, 0, memory) == (-3, 4)


def test_many_boards_at_once():
    rng = np.random.default_rng(2)
    columns = [random_columns(num_discs, rng) for num_discs in (0, 5, 8, 20, 41)]
    boards, players = zip(*map(board_of, columns), strict=True)
    scores = move_scores_many(np.array(boards), np.array(players))
    assert scores.dtype == np.int8
    assert scores.shape == (5, 7)
    for row, board, player in zip(scores, boards, players, strict=True):
        assert row.tolist() == move_scores(from_board(board, player)).tolist()


def test_boards_and_moves_give_the_same_position():
    board = np.zeros((6, 7), np.int8)
    board[0, 3], board[1, 3], board[0, 4] = 1, -1, 1
    assert from_board(board, -1) == parse_moves("445")
    assert from_board(-board, 1) == parse_moves("445")  # as an observation has it: 1 is the side to move


def test_the_best_move_is_the_fastest_and_most_central():
    assert best_move(parse_moves("")) == 3
    assert best_move(parse_moves("121212")) == 0
    scores = move_scores(parse_moves("4453"))
    assert scores[best_move(parse_moves("4453"))] == scores.max() == -2
    assert best_move(parse_moves("4453")) == 2  # columns 3, 6 and 7 score -2


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ("44x", r"^move 3 is 'x', but moves are columns 1 to 7, as in 4453$"),
        ("8", r"^move 1 is '8'"),
        ("0", r"^move 1 is '0'"),
        ("4²", r"^move 2 is '²'"),
        ("4 4", r"^move 2 is ' '"),
        ("1111111", r"^move 7 goes into column 1, which is already full$"),
        ("12121214", r"^move 8 \(4\) comes after the game was won by move 7$"),
    ],
)
def test_wrong_moves_are_named(moves, message):
    with pytest.raises(ValueError, match=message):
        parse_moves(moves)


def test_a_finished_game_has_no_scores():
    with pytest.raises(ValueError, match="four in a row"):
        move_scores(parse_moves("1212121"))
    with pytest.raises(ValueError, match="board is full"):
        move_scores(parse_moves("111111222222333333" + "5444444" + "55555" + "666666" + "777777"))


def test_impossible_boards_are_refused():
    board = np.zeros((6, 7), np.int8)
    with pytest.raises(ValueError, match=r"shape \(6, 7\)"):
        from_board(board.T, 1)
    with pytest.raises(ValueError, match="player 1 or -1"):
        from_board(board, 0)
    board[5, 0] = 1
    with pytest.raises(ValueError, match="above an empty cell"):
        from_board(board, -1)
    board[:] = 0
    board[0, :2] = 1
    with pytest.raises(ValueError, match="has 0 discs and the other side 2"):
        from_board(board, -1)


def test_a_table_with_gaps_or_contradictions_makes_no_book(tmp_path):
    header = "moves,s1,s2,s3,s4,s5,s6,s7\n"
    file = tmp_path / "table.csv.gz"
    file.write_bytes(gzip.compress((header + TABLE[0] + "\n").encode()))
    with pytest.raises(ValueError, match="no row leads to"):
        book.build(file)
    wrong = TABLE[0].replace(",0,-2", ",1,-2")
    file.write_bytes(gzip.compress((header + TABLE[0] + "\n" + wrong + "\n").encode()))
    with pytest.raises(ValueError, match="11111122 contradicts"):
        book.build(file)
