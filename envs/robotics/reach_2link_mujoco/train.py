"""Recipes for Reach2LinkMujoco, which are reach_2link's; `python -m envs.robotics.reach_2link_mujoco.train` trains."""

import sys

from envs.robotics.reach_2link.train import RECIPES as REACH_RECIPES

RECIPES = {"ppo": REACH_RECIPES["ppo"]}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["reach_2link_mujoco", *sys.argv[1:]]))
