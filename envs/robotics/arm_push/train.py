"""Recipes for ArmPush; `python -m envs.robotics.arm_push.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=5_000_000,
        num_envs=256,
        num_steps=50,
        num_epochs=5,
        minibatch_size=1280,
        learning_rate=1e-3,
        gamma=0.96,
        gae_lambda=0.95,
        normalize_obs=True,
        normalize_returns=True,
        initial_log_std=-0.5,
        hidden_sizes=(128, 128),
        params={"approach_weight": 0.5},
        eval_interval=500_000,
        eval_episodes=64,
        checkpoint_interval=1_000_000,
        picture_interval=2_000_000,
        threads=2,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["arm_push", *sys.argv[1:]]))
