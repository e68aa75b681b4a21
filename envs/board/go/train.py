"""Recipes for Go; `python -m envs.board.go.train` trains the first."""

import sys

from agents import alphazero, ppo

RECIPES = {
    "alphazero": alphazero.Config(
        total_steps=8_500_000,
        num_games=256,
        level="openings",
        num_simulations=16,
        num_fast_simulations=4,
        search_value_share=0.5,
        network="board",
        kernel_size=3,
        channels=32,
        size=384,
        num_blocks=3,
        history_size=162,
        minibatch_size=1024,
        learn_ratio=3.0,
        learner_plays=0.0,  # learning fills its thread
        window_size=400_000,
        eval_interval=1_000_000,
        checkpoint_interval=2_000_000,
    ),
    "ppo": ppo.Config(
        total_steps=4_000_000,
        num_envs=128,
        num_steps=64,
        num_epochs=2,
        minibatch_size=1024,
        gamma=1.0,
        gae_lambda=0.9,
        normalize_advantages=False,
        entropy_coef=0.02,
        network="board",
        kernel_size=5,
        hidden_sizes=(256,),
        level="openings",
        eval_interval=500_000,
        eval_episodes=100,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["go", *sys.argv[1:]]))
