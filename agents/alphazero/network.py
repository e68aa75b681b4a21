"""Policy and value networks for boards, and the form of them that self-play runs.

`BoardNetwork` learns in float32 with batch norm. `folded` turns it into plain convolutions and linear layers
(a batch norm in evaluation is an affine map, so it goes into the weights before it), channels last, in bfloat16
where the processor multiplies that (AVX512-BF16 or AMX): 86 k instead of 22 k positions a second and thread for
3 blocks of 32 channels on 6 × 7 cells.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


class Layer(nn.Sequential):
    """A convolution of 3 × 3 cells, or a linear layer, with its batch norm."""

    def __init__(self, num_inputs: int, num_outputs: int, is_conv: bool, kernel_size: int = 3):
        if is_conv:
            padding = kernel_size // 2
            super().__init__(
                nn.Conv2d(num_inputs, num_outputs, kernel_size, padding=padding, bias=False),
                nn.BatchNorm2d(num_outputs),
            )
        else:
            super().__init__(nn.Linear(num_inputs, num_outputs, bias=False), nn.BatchNorm1d(num_outputs))


class Block(nn.Module):
    """Two layers and a skip connection (He et al. 2016)."""

    def __init__(self, size: int, is_conv: bool):
        super().__init__()
        self.first = Layer(size, size, is_conv)
        self.second = Layer(size, size, is_conv)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class BoardNetwork(nn.Module):
    """Observations [B, …] → logits [B, A] and values [B] in [−1, 1].

    Args:
        obs_shape: of one observation; "conv" needs [planes, rows, columns].
        num_actions: A.
        kind: "conv": residual convolutions; "mlp": residual linear layers over the flat observation.
        size: channels, or units of a layer.
        num_blocks: of two layers each.
        head_size: units of the hidden layer before the value; and "conv": of that before the logits.

    Raises:
        ValueError: "conv" on observations that are no planes, or a kind that is neither.
    """

    def __init__(
        self, obs_shape: Sequence[int], num_actions: int, kind: str, size: int, num_blocks: int, head_size: int
    ):
        super().__init__()
        is_conv = kind == "conv"
        if is_conv and len(obs_shape) != 3:
            raise ValueError(f"network=conv needs observations [planes, rows, columns], not {list(obs_shape)}; use mlp")
        self.is_conv = is_conv
        self.stem = Layer(obs_shape[0] if is_conv else math.prod(obs_shape), size, is_conv)
        self.blocks = nn.Sequential(*(Block(size, is_conv) for _ in range(num_blocks)))
        num_cells = obs_shape[1] * obs_shape[2] if is_conv else 1
        head_channels = 8
        self.policy_layer = Layer(size, head_channels, True, 1) if is_conv else nn.Identity()
        self.value_layer = Layer(size, head_channels, True, 1) if is_conv else nn.Identity()
        num_features = head_channels * num_cells if is_conv else size
        self.policy_head = nn.Linear(num_features, num_actions)
        self.value_hidden = nn.Linear(num_features, head_size)
        self.value_head = nn.Linear(head_size, 1)
        if is_conv:
            for parameter in self.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        nn.init.normal_(self.policy_head.weight, std=0.01)
        nn.init.zeros_(self.policy_head.bias)
        nn.init.normal_(self.value_head.weight, std=0.01)
        nn.init.zeros_(self.value_head.bias)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        x = obs if self.is_conv else obs.flatten(1)
        x = self.blocks(torch.relu(self.stem(x)))
        policy = torch.relu(self.policy_layer(x)).flatten(1)
        value = torch.relu(self.value_layer(x)).flatten(1)
        hidden = torch.relu(self.value_hidden(value))
        return self.policy_head(policy), torch.tanh(self.value_head(hidden)).squeeze(-1)


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 itself (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported())


class Evaluator:
    """A network as searches call it: NumPy observations in, NumPy logits and values out, nothing learned.

    Args:
        network: the network; it is copied.
        dtype: of the multiplications; None: bfloat16 where the processor has it, else float32.
    """

    def __init__(self, network: BoardNetwork, dtype: torch.dtype | None = None):
        self.dtype = dtype or (torch.bfloat16 if has_bfloat16() else torch.float32)
        self.memory_format: Any = torch.channels_last if network.is_conv else torch.contiguous_format
        self.network = fold(network).to(self.dtype)

    @torch.inference_mode()
    def __call__(self, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits float32 [B, A], values float32 [B]) of observations [B, …]."""
        tensor = torch.from_numpy(obs).to(self.dtype)
        if self.memory_format is torch.channels_last:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        logits, values = self.network(tensor)
        return logits.float().numpy(), values.float().numpy()


def fold(network: BoardNetwork) -> BoardNetwork:
    """Return a copy for evaluation whose batch norms have gone into the layers before them."""
    copy = deepcopy(network).eval()
    for module in list(copy.modules()):
        if isinstance(module, Layer):
            first: Any = module[0]
            norm: Any = module[1]
            fuse = fuse_conv_bn_eval if isinstance(first, nn.Conv2d) else fuse_linear_bn_eval
            module[0], module[1] = fuse(first, norm), nn.Identity()
    return copy
