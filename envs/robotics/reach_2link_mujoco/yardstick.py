"""Reach2LinkMujoco's yardstick: reach_2link's controllers, which know nothing of what MuJoCo adds.

Mean return of 512 episodes with its 95 % interval, all reached (`rlkit transfer RUN`, seed 2,000,000,011, 2026-11-28):

    reach_2link         standard   computed_torque −13.73 [−14.48, −12.98]
    reach_2link_mujoco  standard   computed_torque −13.73 [−14.48, −12.98]
    reach_2link_mujoco  geared     computed_torque −15.60 [−16.49, −14.72]
"""

from dataclasses import replace
from functools import partial

from envs.robotics.reach_2link.yardstick import YARDSTICK as REACH_YARDSTICK
from envs.robotics.reach_2link.yardstick import explain
from envs.robotics.reach_2link_mujoco import ENVIRONMENT

YARDSTICK = replace(REACH_YARDSTICK, explain=partial(explain, ENVIRONMENT))
