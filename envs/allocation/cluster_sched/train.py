"""Recipes for ClusterSched; `python -m envs.allocation.cluster_sched.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=3_000_000,
        num_envs=64,
        num_steps=128,
        num_epochs=4,
        minibatch_size=1024,
        gamma=0.995,
        gae_lambda=0.95,
        entropy_coef=0.005,
        entropy_coef_schedule="linear",
        normalize_returns=True,
        network="rows",
        eval_interval=200_000,
        checkpoint_interval=1_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["cluster_sched", *sys.argv[1:]]))
