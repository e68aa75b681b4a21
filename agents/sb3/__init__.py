"""Stable-Baselines3's PPO, DQN, SAC and TD3 (Raffin et al. 2021, JMLR 22(268)) as agents of ours.

`rlkit train ENV --agent sb3-sac`: the run folder, the names of metrics, evaluation, the viewer and `--resume` are those
of our own agents; the algorithm is SB3's, driven by its own `learn`. One file an agent: `ppo.py`, `dqn.py`, `sac.py`,
`td3.py`; what they share is in `learner.py`, `policy.py`, `parts.py` and `vec_env.py`.

What differs from SB3 used by itself:

1. Copies are stepped by `BatchEnv` behind SB3's `VecEnv`; nothing that was handed out is overwritten later.
2. A checkpoint holds SB3's weights as safetensors and is never unpickled; `load` builds the policy from settings and
   spaces.
3. In goal environments DQN, SAC and TD3 learn with SB3's hindsight replay (Andrychowicz et al. 2017) from the three
   parts of an observation; PPO learns from the flat one.
4. SB3 knows no action masks and no games of two: both are refused.
5. SB3 promises no exact resume. Weights, optimisers, counters, replay, the copies' states and the generators of torch,
   NumPy and the action space are put back, and a resumed run then ends in the same weights as an uninterrupted one
   (tests/test_sb3.py). Not put back: the generator of a GPU, noise with a memory, and the episodes of environments from
   Gymnasium, which begin anew.
"""

from agents.sb3.vec_env import BatchVecEnv

__all__ = ["BatchVecEnv"]
