"""Recipes for PlanarWalker; `python -m envs.robotics.planar_walker.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=5_000_000,
        num_envs=128,
        num_steps=64,
        num_epochs=5,
        minibatch_size=1024,
        learning_rate=5e-4,
        gamma=0.99,
        gae_lambda=0.95,
        normalize_obs=True,
        normalize_returns=True,
        initial_log_std=-0.5,
        hidden_sizes=(128, 128),
        params={"forward_weight": 0.3, "control_cost": 0.01},  # at 1.0 it is 7 % faster and falls in 2.6 % of episodes
        eval_interval=500_000,
        eval_episodes=32,
        checkpoint_interval=1_000_000,
        picture_interval=2_000_000,
        threads=2,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["planar_walker", *sys.argv[1:]]))
