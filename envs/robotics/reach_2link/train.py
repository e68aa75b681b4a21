"""Recipes for Reach2Link; `python -m envs.robotics.reach_2link.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=6_500_000,
        num_envs=512,
        num_steps=64,
        num_epochs=4,
        minibatch_size=4096,
        gamma=0.97,
        gae_lambda=0.95,
        learning_rate=1e-3,
        initial_log_std=-1.2,
        learn_std=False,
        normalize_returns=True,
        normalize_values=True,
        hidden_sizes=(128, 128),
        activation="relu",
        eval_interval=1_000_000,
        eval_episodes=100,
        checkpoint_interval=2_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["reach_2link", *sys.argv[1:]]))
