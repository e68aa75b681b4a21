"""Draws ArmPush: the arm at its table, the cube, and the goal as a ring of 5 cm."""

from envs.robotics.arm_push.rules import CUBE, PHYSICS
from envs.robotics.arm_scene import SIZE as SIZE
from envs.robotics.arm_scene import draw_figures, draw_scene
from envs.robotics.arm_task import distance_of

IDLE_ACTION = (0.0,) * 7


def draw(state, params, canvas):
    """Draw one state."""
    error = distance_of(state.qpos[CUBE : CUBE + 3], state.goal)
    is_there = error < float(params.success_distance)
    draw_scene(canvas, PHYSICS, state.qpos, state.goal, is_there)
    draw_figures(canvas, int(state.num_steps), error, is_there, "cube")
