"""Recipes for NavLidar; `python -m envs.robotics.nav_lidar.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=10_000_000,
        num_envs=512,
        num_steps=64,
        num_epochs=3,
        minibatch_size=4096,
        gamma=0.99,
        gae_lambda=0.9,
        learning_rate=1e-3,
        initial_log_std=-0.5,
        normalize_obs=True,
        normalize_returns=True,
        normalize_values=True,
        hidden_sizes=(128, 128),
        activation="relu",
        eval_interval=1_000_000,
        eval_episodes=500,
        checkpoint_interval=4_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["nav_lidar", *sys.argv[1:]]))
