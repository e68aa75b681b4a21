"""Recipes for LostSales; `python -m envs.allocation.lost_sales.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=2_000_000,
        num_envs=512,
        num_steps=32,
        num_epochs=4,
        minibatch_size=2048,
        gamma=0.97,
        learning_rate=2e-3,
        gae_lambda=0.75,
        entropy_coef=0.04,  # or the orders settle before their costs, which differ by little, are told apart
        normalize_values=True,
        eval_interval=250_000,
        checkpoint_interval=1_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["lost_sales", *sys.argv[1:]]))
