"""Recipes for SupplyChain; `python -m envs.allocation.supply_chain.train` trains the first."""

import sys

from agents import ppo

RECIPES = {
    "ppo": ppo.Config(
        total_steps=4_000_000,
        num_envs=256,
        num_steps=64,
        num_epochs=4,
        minibatch_size=2048,
        gamma=0.97,
        gae_lambda=0.9,
        initial_log_std=-1.0,
        normalize_returns=True,
        eval_interval=500_000,
        checkpoint_interval=2_000_000,
    ),
}

if __name__ == "__main__":
    from rlkit.cli.train import main

    sys.exit(main(["supply_chain", *sys.argv[1:]]))
