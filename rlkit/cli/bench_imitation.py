"""imitation's reward models, in a process of their own: needs imitation, and nothing of ours.

`rlkit bench rlhf --against imitation` starts it. The first line that it writes holds the versions; then each line that
it reads is a number of networks, and is answered by the CPU seconds of an epoch of so many over the file's choices: one
network is trained by BasicRewardTrainer, several by EnsembleTrainer, both with cross-entropy and minibatches of 32.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from gymnasium import spaces
from imitation.algorithms import preference_comparisons as preferences
from imitation.data.types import TrajectoryWithRew
from imitation.rewards.reward_nets import BasicRewardNet, RewardEnsemble
from imitation.util import logger


def main(pairs: str, hidden_size: int, folder: str) -> None:
    """Answer until the input ends."""
    torch.set_num_threads(1)
    clips = np.load(pairs)
    dataset = preferences.PreferenceDataset()
    dataset.push([(clip(clips, i, 0), clip(clips, i, 1)) for i in range(len(clips["left_is_better"]))],
                 clips["left_is_better"])  # fmt: skip
    log = logger.configure(folder, format_strs=[])
    trainers = {}
    print(json.dumps({name: version(name) for name in ("imitation", "torch", "gymnasium")}), flush=True)
    for line in sys.stdin:
        count = int(line)
        if count not in trainers:
            trainers[count] = trainer(clips, count, hidden_size)
            trainers[count].logger = log
            trainers[count].train(dataset)
        begin = time.process_time()
        trainers[count].train(dataset)
        print(json.dumps(time.process_time() - begin), flush=True)


def clip(clips, i: int, side: int) -> TrajectoryWithRew:
    """Return clip `side` of pair i."""
    obs = clips["obs"][i, side]
    rewards = clips["rewards"][i, side].astype(float)
    observed = np.concatenate([obs, obs[-1:]])  # theirs end with the observation after the last step, which is unused
    return TrajectoryWithRew(obs=observed, acts=clips["actions"][i, side], infos=None, terminal=False, rews=rewards)


def trainer(clips, count: int, hidden_size: int):
    """Return a trainer of one epoch for `count` networks."""
    obs_space, action_space = (
        spaces.Box(-np.inf, np.inf, clips[name].shape[3:], np.float32) for name in ("obs", "actions")
    )
    networks = [BasicRewardNet(obs_space, action_space, hid_sizes=(hidden_size, hidden_size)) for _ in range(count)]
    network = networks[0] if count == 1 else RewardEnsemble(obs_space, action_space, networks)
    kind = preferences.BasicRewardTrainer if count == 1 else preferences.EnsembleTrainer
    model, loss = preferences.PreferenceModel(network), preferences.CrossEntropyRewardLoss()
    return kind(model, loss, rng=np.random.default_rng(0), epochs=1, batch_size=32)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
