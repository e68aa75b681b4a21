"""Recipes for Pendulum; `python -m envs.classic.pendulum.train` trains the first."""

import sys

from agents import ppo, rlhf

PPO = ppo.Config(
    total_steps=600_000,
    num_envs=64,
    num_steps=64,
    num_epochs=10,
    minibatch_size=512,
    gamma=0.97,
    gae_lambda=0.9,
    entropy_coef=0.005,
    normalize_obs=True,
    normalize_returns=True,
    eval_interval=50_000,
    checkpoint_interval=200_000,
)
RECIPES = {
    "ppo": PPO,
    # The deviation stays: while the reward is still wrong, a policy that grows sure of itself hangs still for good.
    "rlhf": rlhf.recipe(PPO, total_steps=300_000, learn_std=False),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["pendulum", *sys.argv[1:]]))
