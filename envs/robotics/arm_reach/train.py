"""Recipes for ArmReach; `python -m envs.robotics.arm_reach.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=1_500_000,
        num_envs=128,
        num_steps=50,
        num_epochs=5,
        minibatch_size=640,
        learning_rate=1e-3,
        gamma=0.95,
        gae_lambda=0.95,
        normalize_obs=True,
        normalize_returns=True,
        initial_log_std=-0.5,
        hidden_sizes=(128, 128),
        eval_interval=250_000,
        eval_episodes=64,
        checkpoint_interval=500_000,
        threads=2,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["arm_reach", *sys.argv[1:]]))
