"""Recipes for Battery; `python -m envs.allocation.battery.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=1_500_000,
        num_envs=128,
        num_steps=48,
        num_epochs=5,
        minibatch_size=1024,
        gamma=1.0,
        gae_lambda=0.95,
        learning_rate=1e-3,
        initial_log_std=-0.5,
        normalize_obs=True,
        normalize_returns=True,
        hidden_sizes=(128, 128),
        eval_interval=250_000,
        eval_episodes=500,
        checkpoint_interval=500_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["battery", *sys.argv[1:]]))
