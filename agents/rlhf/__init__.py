"""Reinforcement learning from preferences over clips (Christiano et al. 2017, arXiv:1706.03741)."""
