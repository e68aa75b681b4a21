"""Reach2LinkMujoco's yardstick: reach_2link's controllers, which know nothing of what MuJoCo adds."""

from dataclasses import replace
from functools import partial

from envs.robotics.reach_2link.yardstick import YARDSTICK as REACH_YARDSTICK
from envs.robotics.reach_2link.yardstick import explain
from envs.robotics.reach_2link_mujoco import ENVIRONMENT

YARDSTICK = replace(REACH_YARDSTICK, explain=partial(explain, ENVIRONMENT))
