"""Recipes for tic-tac-toe; `python -m envs.board.tic_tac_toe.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=1_000_000,
        num_envs=256,
        num_steps=64,
        num_epochs=2,
        minibatch_size=2048,
        gae_lambda=0.9,
        entropy_coef=0.01,
        hidden_sizes=(128, 128),
        activation="relu",
        eval_interval=100_000,
        eval_episodes=200,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["tic_tac_toe", *sys.argv[1:]]))
