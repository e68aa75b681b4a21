"""Recipes for Highway; `python -m envs.driving.highway.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=10_000_000,
        num_envs=512,
        num_steps=32,
        num_epochs=4,
        minibatch_size=4096,
        gamma=0.97,
        gae_lambda=0.9,
        learning_rate=1.5e-3,
        entropy_coef=0.01,
        entropy_coef_schedule="linear",
        normalize_obs=True,
        normalize_returns=True,
        normalize_values=True,
        hidden_sizes=(128, 128),
        activation="relu",
        # By the task's own weights it overtakes at 24 m/s and collides in 1.5 % of episodes; with a worse collision
        # and pay for the right lane it only follows, at 22.3 m/s. What it is measured by does not depend on these.
        params={"right_lane_reward": 0.0, "collision_reward": -2.0},
        eval_interval=1_000_000,
        eval_episodes=300,
        checkpoint_interval=2_000_000,
        threads=2,
        torch_threads=2,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["highway", *sys.argv[1:]]))
