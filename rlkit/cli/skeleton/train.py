"""Recipes: an agent's settings for this environment; `python train.py` trains with the first."""

import sys
from pathlib import Path

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=60_000,
        num_envs=32,
        num_steps=32,
        minibatch_size=256,
        eval_interval=10_000,
        checkpoint_interval=20_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main([str(Path(__file__).resolve().parent), *sys.argv[1:]]))
