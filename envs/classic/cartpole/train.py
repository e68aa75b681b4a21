"""Recipes for CartPole; `python -m envs.classic.cartpole.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=300_000,
        num_envs=64,
        num_steps=32,
        num_epochs=10,
        minibatch_size=256,
        gamma=0.98,
        gae_lambda=0.8,
        eval_interval=20_000,
        checkpoint_interval=100_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["cartpole", *sys.argv[1:]]))
