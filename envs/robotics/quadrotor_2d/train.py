"""Recipes for Quadrotor2D; `python -m envs.robotics.quadrotor_2d.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=5_000_000,
        num_envs=512,
        num_steps=64,
        num_epochs=5,
        minibatch_size=4096,
        gamma=0.99,
        gae_lambda=0.95,
        initial_log_std=-1.6,
        learn_std=False,  # learned, it falls to 0.02 and takes the last per cent's signal with it
        normalize_returns=True,
        normalize_values=True,
        eval_interval=500_000,
        eval_episodes=200,
        checkpoint_interval=2_500_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["quadrotor_2d", *sys.argv[1:]]))
