"""Drawn windows as tensors, with the target network's q-values of what follows them."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.learning.actor_critic import ActorCritic
from rlkit.learning.q_policy import q_values
from rlkit.learning.replay import Windows

BLOCK = 1024  # rows that the target network sees at once: more fall out of the processor's cache


class Batch(NamedTuple):
    """Windows of a round, or of one minibatch of it."""

    obs: Tensor  # [B, …] float32
    actions: Tensor  # [B, 1]
    returns: Tensor  # [B, 1]
    discounts: Tensor  # [B, 1]
    next_obs: Tensor  # [B, …] float32
    next_masks: Tensor | None  # [B, A]
    next_q: Tensor  # [B, A], by the target network
    weights: Tensor | None  # [B, 1], of importance sampling
    targets: Tensor | None = None  # [B, 1], where they do not change while the network learns

    def minibatches(self, size: int) -> list["Batch"]:
        """Return the batch in parts of `size`, which divides it."""
        count = len(self.obs) // size
        columns = ([None] * count if part is None else part.split(size) for part in self)
        return [Batch(*parts) for parts in zip(*columns, strict=True)]


def batch_of(windows: Windows, target_network: ActorCritic, dueling: bool, device: str) -> Batch:
    """Return drawn windows as a batch on `device`."""

    def tensor(array: np.ndarray | None) -> Any:
        return None if array is None else torch.from_numpy(array).to(device)

    def column(array: np.ndarray | None) -> Any:
        return None if array is None else tensor(array[:, None])

    next_obs = tensor(windows.next_obs).float()
    with torch.no_grad():
        next_q = torch.cat([q_values(target_network, block, dueling) for block in next_obs.split(BLOCK)])
    return Batch(
        tensor(windows.obs).float(), column(windows.actions), column(windows.returns), column(windows.discounts),
        next_obs, tensor(windows.next_masks), next_q, column(windows.weights),
    )  # fmt: skip
