"""Recipes for CartPole; `python -m envs.classic.cartpole.train` trains the first."""

import sys

from agents import dqn, ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=300_000,
        num_envs=64,
        num_steps=32,
        num_epochs=10,
        minibatch_size=256,
        gamma=0.98,
        gae_lambda=0.8,
        eval_interval=20_000,
        checkpoint_interval=100_000,
    ),
    "dqn": dqn.Config(
        total_steps=50_000,
        num_envs=8,
        train_frequency=32,
        gradient_steps=128,
        minibatch_size=64,
        buffer_size=100_000,
        learning_starts=1_000,
        learning_rate=2.3e-3,
        learning_rate_schedule="linear",
        n_step=3,
        target_update_interval=256,
        exploration_fraction=0.16,
        final_epsilon=0.04,
        hidden_sizes=(256, 256),
        eval_interval=2_500,
        checkpoint_interval=25_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["cartpole", *sys.argv[1:]]))
