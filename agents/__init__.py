"""The agents: name → module. Importing this imports no agent (and no torch)."""

AGENTS = {
    "ppo": "agents.ppo",
    "alphazero": "agents.alphazero",
    "dqn": "agents.dqn",
}
