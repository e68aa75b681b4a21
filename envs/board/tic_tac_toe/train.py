"""Recipes for tic-tac-toe; `python -m envs.board.tic_tac_toe.train` trains the first."""

import sys

from agents import alphazero, ppo

RECIPES = {
    "alphazero": alphazero.Config(
        total_steps=480_000,
        num_games=128,
        level="openings",
        num_simulations=16,
        num_fast_simulations=4,
        network="mlp",
        size=128,
        num_blocks=2,
        history_size=9,
        iteration_samples=4096,
        window_size=50_000,
        learn_ratio=8.0,
        play_simulations=16,
        eval_interval=100_000,
    ),
    "ppo": ppo.Config(
        total_steps=600_000,
        num_envs=64,
        num_steps=16,
        minibatch_size=256,
        learning_rate=2e-3,
        gamma=1.0,
        normalize_advantages=False,
        entropy_coef=0.1,
        hidden_sizes=(128, 128),
        activation="relu",
        eval_interval=50_000,
        eval_episodes=200,
        checkpoint_interval=200_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["tic_tac_toe", *sys.argv[1:]]))
