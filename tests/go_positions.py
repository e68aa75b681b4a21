"""Go positions drawn by hand: X is Black, O is White, and letters are empty points to play on."""

import numpy as np

import rlkit
from envs.board.go import estimate, rules
from rlkit.engine.bind import bind

BLACK, WHITE = 1, -1
COLORS = {"X": BLACK, "O": WHITE}
SET_UP = bind(estimate)


def stones_of(rows):
    """Return a drawing's stones, int8 [n, n]."""
    return np.array([[COLORS.get(character, 0) for character in row.split()] for row in rows], np.int8)


class Game:
    """A game of both sides that begins at a drawn position; points are the letters in the drawing."""

    def __init__(self, *rows, player=BLACK, **params):
        self.env = rlkit.make("go", opponent="self", board_size=len(rows), **params)
        self.env.reset(seed=0)
        SET_UP.set_position(self.env.state, self.env.params, stones_of(rows), player)
        self.obs, info = self.env.restore(self.env.snapshot())
        self.mask = info["action_mask"]
        characters = "".join("".join(row.split()) for row in rows)
        self.cells = {name: cell for cell, name in enumerate(characters) if name not in ".XO"}
        self.cells["pass"] = len(characters)
        self.size = len(rows)
        assert self.shows(*rows)  # or a chain has no liberty in the drawing

    def allows(self, point):
        """Whether the side to move may play on a point: a letter in the drawing, or a cell."""
        return bool(self.mask[self.cells.get(point, point)])

    def play(self, *points):
        """Play points (letters, cells or "pass") in turn; return (reward, terminated) of the last."""
        for point in points:
            action = self.cells.get(point, point)
            assert self.mask[action], point
            self.obs, reward, terminated, _, info = self.env.step(action)
            self.mask = info["action_mask"]
        return reward, terminated

    def shows(self, *rows):
        """Whether the stones are those drawn."""
        return np.array_equal(board_of(self.env.state, self.size), stones_of(rows))


def board_of(state, size):
    """Return the stones of a state, int8 [n, n]."""
    return np.array(state.board).reshape(-1, rules.STRIDE)[1 : size + 1, 1 : size + 1]


# A ko that Black can take at a, with a threat at b and its answer at c.
TAKEN = 6  # the cell of the white stone that a takes
KO = (". X O . .", "X O a O .", ". X O . .", ". . . . .", ". . b . c")
