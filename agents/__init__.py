"""The agents: name → module. Importing this imports no agent (and no torch)."""

AGENTS = {
    "ppo": "agents.ppo",
    "alphazero": "agents.alphazero",
    "dqn": "agents.dqn",
    "rlhf": "agents.rlhf",
    "sb3-ppo": "agents.sb3.ppo",
    "sb3-dqn": "agents.sb3.dqn",
    "sb3-sac": "agents.sb3.sac",
    "sb3-td3": "agents.sb3.td3",
}

PLANNERS = {"mpc": "agents.mpc"}  # act by the rules alone: there is nothing to train
