"""The agents: name → module. Importing this imports no agent (and no torch)."""

AGENTS = {
    "ppo": "agents.ppo",
    "alphazero": "agents.alphazero",
    "dqn": "agents.dqn",
}

PLANNERS = {"mpc": "agents.mpc"}  # act by the rules alone: there is nothing to train
