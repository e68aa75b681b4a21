"""Recipes for Othello; `python -m envs.board.othello.train` trains the first."""

import sys

from agents import alphazero, ppo

RECIPES = {
    "alphazero": alphazero.Config(
        total_steps=9_500_000,
        level="openings",
        find_wins=True,  # wipe-outs: strong games never show one, so the priors do not know them
        network="mlp",
        size=384,
        num_blocks=3,
        history_size=80,
        minibatch_size=1024,
        learn_ratio=3.0,
        learner_plays=0.1,
        window_size=1_000_000,
        eval_interval=1_000_000,
        checkpoint_interval=2_000_000,
    ),
    "ppo": ppo.Config(
        total_steps=4_000_000,
        num_envs=256,
        num_steps=64,
        num_epochs=2,
        minibatch_size=2048,
        gamma=1.0,
        gae_lambda=0.8,
        normalize_advantages=False,
        entropy_coef=0.05,
        network="board",
        hidden_sizes=(256,),
        eval_interval=400_000,
        eval_episodes=200,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["othello", *sys.argv[1:]]))
