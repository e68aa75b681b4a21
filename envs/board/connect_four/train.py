"""Recipes for Connect Four; `python -m envs.board.connect_four.train` trains the first."""

import sys

from agents import alphazero, ppo

RECIPES = {
    "alphazero": alphazero.Config(
        total_steps=2_700_000,
        level="openings",
        network="board",
        history_size=42,
        minibatch_size=1024,
        learn_ratio=3.0,
        learner_plays=0.1,
        search_value_share=0.5,
        eval_interval=500_000,
        checkpoint_interval=1_000_000,
    ),
    "ppo": ppo.Config(
        total_steps=3_600_000,
        num_envs=256,
        num_steps=64,
        num_epochs=2,
        minibatch_size=2048,
        gamma=1.0,
        gae_lambda=0.8,
        normalize_advantages=False,
        entropy_coef=0.15,
        network="board",
        hidden_sizes=(256,),
        eval_interval=400_000,
        eval_episodes=200,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["connect_four", *sys.argv[1:]]))
