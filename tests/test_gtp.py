"""The Go Text Protocol: names of moves, engines of all manners in a seat, and our own server."""

import dataclasses
import shutil
import sys
import textwrap

import numpy as np
import pytest

import rlkit
from rlkit.environment import Vertices
from rlkit.evaluation import random_policy
from rlkit.gtp import Connection, GtpEngine, GtpError, find_action
from rlkit.gtp_server import GtpServer
from rlkit.learning.policy import Situation
from rlkit.matches import draw_openings, play_match
from rlkit.registry import environment_names, find_environment

CONNECT_FOUR = find_environment("connect_four")
TIC_TAC_TOE = find_environment("tic_tac_toe")
GNUGO = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")

# Connect Four over GTP: plays the leftmost open column and writes down what it is asked. MANNER is how it does so.
ENGINE = """
import sys, time

manner, log = sys.argv[1], open(sys.argv[2], "a")
heights = [0] * 7
for line in sys.stdin:
    words = line.split()
    print(line.strip(), file=log, flush=True)
    sign, answer = "=", ""
    if words[0] == "protocol_version":
        answer = "1" if manner == "old" else "2"
    elif words[0] == "name":
        answer = "Leftmost"
    elif words[0] == "clear_board":
        heights = [0] * 7
    elif words[0] == "boardsize" and manner == "refuse":
        sign, answer = "?", "unacceptable size"
    elif words[0] == "play":
        heights["ABCDEFG".index(words[2])] += 1
    elif words[0] == "genmove":
        if manner == "die":
            print("out of memory", file=sys.stderr)
            sys.exit(3)
        if manner == "hang":
            time.sleep(600)
        if manner == "garbage":
            print("I think I will play D")
        column = next(column for column in range(7) if heights[column] < 6)
        heights[column] += 1
        answer = {"illegal": "H", "resign": "resign"}.get(manner, "abcdefg"[column])
        if manner == "resign":
            heights[column] -= 1
    print(f"{sign} {answer}" + (chr(13) if manner == "windows" else ""), end="\\n\\n", flush=True)
    if words[0] == "quit":
        break
"""


class Lowest:
    """Takes the first legal action."""

    def act(self, obs, action_mask=None, deterministic=True):
        return action_mask.argmax(axis=-1)


@pytest.fixture
def start(tmp_path):
    """A function that starts the engine in a manner; `start.log()` is what it was asked."""
    script, log = tmp_path / "engine.py", tmp_path / "log.txt"
    script.write_text(ENGINE)
    engines = []

    def start_engine(manner="good", timeout=20.0, environment=CONNECT_FOUR, **params):
        engines.append(GtpEngine(environment, environment.params(**params)[0], start_engine.command(manner), timeout))
        return engines[-1]

    start_engine.command = lambda manner: [sys.executable, str(script), manner, str(log)]
    start_engine.log = lambda: log.read_text().splitlines()
    yield start_engine
    for engine in engines:
        engine.close()


def situation_of(environment, *histories):
    """Return the situation of copies in which these actions were taken."""
    copies = []
    for history in histories:
        env = rlkit.make(environment.name, opponent="self", illegal_actions="raise")
        obs, info = env.reset(seed=0)
        for action in history:
            obs, _, _, _, info = env.step(action)
        copies.append((obs, info["action_mask"], env.snapshot().states[0]))
    obs, masks, states = (np.array(part) for part in zip(*copies, strict=True))
    return Situation(obs, masks, states, environment.params()[0], histories)


# Names of moves -------------------------------------------------------------------------------------------------


def test_vertices_are_called_as_people_of_each_game_do():
    go = Vertices(19, 19, ("pass",))
    assert len(go.names) == 362
    assert (go.names[0], go.names[18], go.names[-2], go.names[-1]) == ("A19", "T19", "T1", "pass")
    assert go.names[3 * 19 + 15] == "Q16"  # the usual first corner move: fourth line from the top and from the right
    assert not any("I" in name for name in go.names)
    othello = Vertices(8, 8, ("pass",), from_top=True)
    assert [othello.names[cell] for cell in (19, 26, 37, 44)] == ["D3", "C4", "F5", "E6"]  # black's four first moves
    hex_board = Vertices(11, 11, from_top=True, letters="ABCDEFGHIJK")
    assert (hex_board.names[0], hex_board.names[8], hex_board.names[-1]) == ("A1", "I1", "K11")
    assert Vertices(6, 7, by_column=True).names == tuple("ABCDEFG")
    assert find_action(go.names, "q16") == 3 * 19 + 15
    assert find_action(go.names, "PASS") == 361
    assert find_action(go.names, "I5") is None


@pytest.mark.parametrize("name", environment_names())
def test_every_action_of_a_game_has_its_own_name(name):
    environment = find_environment(name)
    for level in environment.levels if environment.gtp else ():
        params = environment.params(level)[0]
        observation_space, action_space = environment.spaces(params)
        vertices = environment.gtp(params)
        assert len({*vertices.names}) == len(vertices.names) == action_space.n
        assert observation_space.shape[1:] == (vertices.rows, vertices.columns)


# Engines in a seat ----------------------------------------------------------------------------------------------


def test_an_engine_plays_a_match(start):
    openings = draw_openings(CONNECT_FOUR, 4, 5, seed=1)
    engine = start()
    assert engine.name == "Leftmost"
    same = play_match(CONNECT_FOUR, Lowest(), Lowest(), openings)
    for first, second in ((engine, Lowest()), (Lowest(), start("windows"))):  # with \r\n at the ends of lines
        match = play_match(CONNECT_FOUR, first, second, openings)
        np.testing.assert_array_equal(match.results, same.results)
        np.testing.assert_array_equal(match.lengths, same.lengths)


def test_an_engine_is_told_what_it_does_not_know_yet(start):
    engine = start()
    assert start.log() == ["protocol_version", "name", "boardsize 7", "clear_board"]
    assert engine.act_in(situation_of(CONNECT_FOUR, (3,))).tolist() == [0]
    assert start.log()[4:] == ["play black D", "genmove white"]
    assert engine.act_in(situation_of(CONNECT_FOUR, (3, 0, 6))).tolist() == [0]  # its own disc in A it knows
    assert start.log()[6:] == ["play black G", "genmove white"]
    assert engine.act_in(situation_of(CONNECT_FOUR, (3, 1), ())).tolist() == [0, 0]  # other games
    assert start.log()[8:] == [
        "clear_board", "play black D", "play white B", "genmove black", "clear_board", "genmove black",
    ]  # fmt: skip


def test_it_is_told_komi_where_there_is_one(start):
    params = np.array([(7.5,)], np.dtype((np.record, [("komi", "<f8")])))
    engine = GtpEngine(TIC_TAC_TOE, params[0], start.command("good"))
    assert start.log() == ["protocol_version", "name", "boardsize 3", "clear_board", "komi 7.5"]
    engine.close()


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("die", r"^the engine \S+ ended at 'genmove black' with exit code 3; its last words: out of memory$"),
        ("hang", r"^the engine \S+ did not answer 'genmove black' within 1 s$"),
        ("garbage", r"^the engine \S+ answered 'genmove black' with 'I think I will play D', which is not GTP$"),
        ("illegal", r"^the engine Leftmost plays 'H', which is illegal after D A$"),
    ],
)
def test_what_an_engine_may_not_do(start, manner, message):
    engine = start(manner, timeout=1.0 if manner == "hang" else 20.0)
    situation = situation_of(CONNECT_FOUR, (3, 0))
    with pytest.raises(GtpError, match=message):
        engine.act_in(situation)
    with pytest.raises(GtpError, match="after it had been closed"):
        engine.act_in(situation)


def test_engines_that_cannot_be_used(start):
    with pytest.raises(GtpError, match=r"speaks version '1' of GTP instead of 2$"):
        start("old")
    with pytest.raises(GtpError, match=r"refuses 'boardsize 7': unacceptable size$"):
        start("refuse")
    with pytest.raises(ValueError, match="take a level without random plies"):
        start(max_random_plies=3)
    with pytest.raises(GtpError, match=r"/no/such/engine cannot be started: No such file"):
        Connection(["/no/such/engine"])
    with pytest.raises(ValueError, match="cartpole cannot be played over GTP"):
        start(environment=find_environment("cartpole"))
    with pytest.raises(ValueError, match="here they are not known"):
        start().act_in(dataclasses.replace(situation_of(CONNECT_FOUR, ()), actions=None))
    with pytest.raises(ValueError, match="needs act_in"):
        start().act(np.zeros((1, 2, 6, 7)))


def test_an_engine_that_floods_or_starves_us_is_ended():
    flood = "while True: print()"
    for code, timeout, message in ((flood, 20.0, "is not GTP"), ("import time; time.sleep(600)", 0.5, "within 0.5 s")):
        connection = Connection([sys.executable, "-c", code], timeout)
        with pytest.raises(GtpError, match=message):
            connection.ask("name")


def test_an_engine_that_resigns_has_lost_the_match_and_plays_on_elsewhere(start):
    engine = start("resign")
    match = play_match(CONNECT_FOUR, engine, Lowest(), [(3, 3)])
    assert match.results.tolist() == [[-1], [-1]]
    assert match.resigned.all()
    assert engine.act_in(situation_of(CONNECT_FOUR, (0,) * 6)).tolist() == [1]
    assert engine.resigned.tolist() == [True]


def test_a_forgotten_engine_does_not_stay(start, tmp_path):
    from tiny_environments import run_python

    script = tmp_path / "engine.py"
    log = tmp_path / "left.txt"
    code = f"""
    from rlkit.gtp import Connection
    connection = Connection([{sys.executable!r}, {str(script)!r}, "good", {str(log)!r}])
    print(connection.ask("name"))
    """
    assert run_python(code).stdout == "Leftmost\n"
    assert log.read_text().splitlines() == ["name", "quit"]


# Our own server -------------------------------------------------------------------------------------------------


class Named(Lowest):
    name = "lowest"


@pytest.fixture
def server():
    return GtpServer(TIC_TAC_TOE, Named())


def dialogue(server, text):
    """Play a dialogue of lines "command -> answer"; the answer is without its end."""
    for line in textwrap.dedent(text).strip().splitlines():
        command, answer = line.split(" -> ")
        assert server.answer(f"{command}\n") == f"{answer.strip()}\n\n", command


def test_a_game_over_gtp(server):
    dialogue(
        server,
        """
        protocol_version -> = 2
        1 name -> =1 rlkit lowest
        version -> = 0.1.0
        known_command genmove -> = true
        known_command regent -> = false
        boardsize 3 -> =
        boardsize 19 -> ? unacceptable size
        komi 6.5 -> =
        time_settings 60 10 1 -> =
        final_score -> ? the game is not over
        play b B2 -> =
        play white a3 -> =
        7 play W B1 -> ?7 illegal move: black is to move
        play B B2 -> ? illegal move
        play B Z9 -> ? illegal move
        play B -> ? illegal move
        play green B1 -> ? syntax error: the colour must be b or w
        genmove b -> = B3
        genmove b -> ? illegal move: white is to move
        undo -> =
        genmove B -> = B3
        play w C3 -> =
        play b B1 -> =
        final_score -> = B+1
        genmove w -> ? illegal move: the game is over
        undo -> =
        final_score -> ? the game is not over
        clear_board -> =
        undo -> ? cannot undo
        """,
    )
    assert not server.is_closed
    assert server.answer("quit\n") == "=\n\n"
    assert server.is_closed


def test_comments_numbers_and_empty_lines(server):
    assert (
        server.answer("\n") == server.answer("# a comment\n") == server.answer("  \t \r\n") == server.answer("7") == ""
    )
    assert server.answer("12 protocol_version # why not\r\n") == "=12 2\n\n"
    assert server.answer("protocol\x07_version\tnow\n") == "= 2\n\n"
    listed = server.answer("list_commands").removeprefix("= ").split()
    needed = [
        "protocol_version",
        "name",
        "version",
        "known_command",
        "list_commands",
        "quit",
        "boardsize",
        "clear_board",
    ]
    assert {*needed, "komi", "play", "genmove", "undo", "showboard", "final_score", "time_settings"} <= {*listed}
    assert listed == sorted(listed)


def test_showboard(server):
    for command in ("play b B2", "play w A3", "play b C1"):
        server.answer(command)
    assert server.answer("showboard") == "= \n   A B C\n 3 O . .\n 2 . X .\n 1 . . X\nwhite to move\n\n"
    four = GtpServer(CONNECT_FOUR, Named())
    for command in ("play b D", "play w D", "play b A"):
        assert four.answer(command) == "=\n\n"
    lines = four.answer("showboard").splitlines()
    assert lines[1:] == [
        "   A B C D E F G",
        *(f" {row} . . . . . . ." for row in (6, 5, 4, 3)),
        " 2 . . . O . . .",
        " 1 X . . X . . .",
        "white to move",
        "",
    ]


def test_a_draw_scores_nothing(server):
    for ply, vertex in enumerate(["B2", "A3", "C3", "A1", "A2", "C2", "B3", "B1", "C1"]):
        assert server.answer(f"play {'bw'[ply % 2]} {vertex}") == "=\n\n"
    assert server.answer("final_score") == "= 0\n\n"
    assert "over: 0" in server.answer("showboard")


def test_a_white_win_and_a_truncated_game():
    server = GtpServer(TIC_TAC_TOE, Named())
    for ply, vertex in enumerate(["A3", "B2", "A2", "C3", "C1", "A1"]):
        assert server.answer(f"play {'bw'[ply % 2]} {vertex}") == "=\n\n"
    assert server.answer("final_score") == "= W+1\n\n"
    short = GtpServer(dataclasses.replace(TIC_TAC_TOE, max_steps=1), Named())
    assert short.answer("genmove b") == "= A3\n\n"
    assert short.answer("final_score") == "= 0\n\n"


def test_nothing_that_is_said_ends_the_server(server):
    rng = np.random.default_rng(0)
    words = [
        *server.answer("list_commands")[2:].split(),
        "b",
        "w",
        "A1",
        "pass",
        "-1",
        "1e999",
        "nan",
        "\x00",
        "ü",
        "#",
    ]
    words.remove("quit")
    for _ in range(3000):
        line = " ".join(rng.choice(words, size=rng.integers(1, 5)))
        answer = server.answer(line)
        assert answer == "" or (answer[0] in "=?" and answer.endswith("\n\n") and answer.count("\n\n") == 1), line


def test_a_player_that_fails_is_an_answer():
    class Broken:
        def act(self, obs, action_mask=None, deterministic=True):
            raise RuntimeError("out\nof luck")

    class Wrong(Lowest):
        def act(self, obs, action_mask=None, deterministic=True):
            return np.array([77])

    assert GtpServer(TIC_TAC_TOE, Broken()).answer("genmove b") == "? out of luck\n\n"
    assert GtpServer(TIC_TAC_TOE, Wrong()).answer("genmove b").startswith("? the policy chose action 77")


def test_a_player_that_resigns_says_so(start):
    server = GtpServer(CONNECT_FOUR, start("resign"), level="openings")
    assert server.answer("genmove b") == "= resign\n\n"
    assert server.answer("name") == "= rlkit Leftmost\n\n"


def test_our_engine_plays_our_server(tmp_path):
    command = [sys.executable, "-m", "rlkit", "gtp", "tic_tac_toe", "solver"]
    engine = GtpEngine(TIC_TAC_TOE, TIC_TAC_TOE.params()[0], command)
    assert engine.name == "rlkit solver"
    openings = draw_openings(TIC_TAC_TOE, 4, 2, seed=0)
    solver = TIC_TAC_TOE.yardstick.policies["solver"](None)
    random = random_policy(TIC_TAC_TOE)
    match = play_match(TIC_TAC_TOE, engine, random, openings)
    same = play_match(TIC_TAC_TOE, solver, random_policy(TIC_TAC_TOE), openings)
    np.testing.assert_array_equal(match.results, same.results)
    engine.close()


# GNU Go ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
def test_gnu_go_agrees_about_the_names():
    connection = Connection([GNUGO, "--mode", "gtp"])
    assert connection.ask("protocol_version") == "2"
    assert connection.ask("boardsize", "9") == ""
    connection.ask("play", "black", Vertices(9, 9, ("pass",)).names[2 * 9 + 8])
    connection.ask("play", "white", "pass")
    board = connection.ask("showboard").splitlines()
    row = next(line for line in board if line.split()[:1] == ["7"])
    assert row.split()[1:10].index("X") == 8  # the third row from the top, the last column
    with pytest.raises(GtpError, match="refuses 'play black J7': illegal move"):
        connection.ask("play", "black", "J7")
    connection.close()


@pytest.mark.skipif(GNUGO is None or "go" not in environment_names(), reason="GNU Go or our Go is missing")
def test_gnu_go_beats_random_play():
    go = find_environment("go")
    command = f"{GNUGO} --mode gtp --level 1 --seed 1 --chinese-rules --capture-all-dead"  # all that stands counts
    engine = GtpEngine(go, go.params()[0], command.split())
    match = play_match(go, engine, random_policy(go), draw_openings(go, 1, 2, seed=0))
    assert match.counts() == (2, 0, 0)
    engine.close()
