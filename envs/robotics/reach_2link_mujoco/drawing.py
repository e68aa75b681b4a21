"""Draws Reach2LinkMujoco: reach_2link's picture, and who moves the arm."""

from envs.robotics.reach_2link.drawing import ACTION_NAMES as ACTION_NAMES
from envs.robotics.reach_2link.drawing import IDLE_ACTION as IDLE_ACTION
from envs.robotics.reach_2link.drawing import KEYS as KEYS
from envs.robotics.reach_2link.drawing import SIZE as SIZE
from envs.robotics.reach_2link.drawing import draw as draw_arm
from rlkit.viewing.canvas import BLUE


def draw(state, params, canvas):
    """Draw one state."""
    draw_arm(state, params, canvas)
    canvas.text("moved by MuJoCo", 30, 56, 18, BLUE)
