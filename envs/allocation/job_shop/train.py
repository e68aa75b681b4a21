"""Recipes for the job shop; `python -m envs.allocation.job_shop.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    # Rewards add up to the makespan, so nothing is discounted. Entropy is kept high enough for samples to differ:
    # the best of many is what a planner uses.
    "ppo": ppo.Config(
        total_steps=5_000_000,
        num_envs=512,
        num_steps=64,
        num_epochs=3,
        minibatch_size=2048,
        learning_rate=1e-3,
        gamma=1.0,
        gae_lambda=0.95,
        entropy_coef=0.003,
        normalize_returns=True,
        network="rows",
        hidden_sizes=(64,),
        num_layers=2,
        eval_interval=500_000,
        checkpoint_interval=3_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["job_shop", *sys.argv[1:]]))
