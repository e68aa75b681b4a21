"""Policy and value networks for boards and rows, and the form of them that self-play runs.

`BoardNetwork` learns with batch norm. `Evaluator` runs its weights as plain convolutions and linear layers, channels
last, in bfloat16 where the processor multiplies that (AVX512-BF16 or AMX): 86 k instead of 22 k positions a second
and thread for 3 blocks of 32 channels on 6 × 7 cells.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from rlkit.learning.actor_critic import RowsHead, actions_about_no_row
from rlkit.learning.networks import NormalizedLinear, RowsBody


class Layer(nn.Sequential):
    """A convolution of 3 × 3 cells, or a linear layer, with its batch norm."""

    def __init__(self, num_inputs: int, num_outputs: int, is_conv: bool, kernel_size: int = 3, is_padded: bool = True):
        if is_conv:
            padding = kernel_size // 2 if is_padded else 0
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
    """Observations [B, …] → logits [B, A] and values [B]: in [−1, 1] between two players, else in units of rewards.

    For one player the last layer is a `NormalizedLinear`.

    Args:
        obs_shape: of one observation; "conv" needs [planes, rows, columns].
        num_actions: A.
        kind: "conv": residual convolutions; "mlp": residual linear layers over the flat observation; "board": the
            same behind one convolution over all windows of the board, in which a line of stones is seen wherever it is;
            "rows": a `RowsBody` over [rows, features], where action i is about row i.
        size: channels, or units of a layer.
        num_blocks: of two layers each; "rows": exchanges between the rows.
        kernel_size: "board": rows and columns of a window, and …
        channels: … what is seen in each.
        head_size: units of the hidden layer before the value.
        is_bounded: values lie in [−1, 1].

    Raises:
        ValueError: "conv" or "board" on observations that are no planes, or windows larger than the board; "rows" on
            observations that are no rows with an action each.
    """

    def __init__(
        self,
        obs_shape: Sequence[int],
        num_actions: int,
        kind: str,
        size: int,
        num_blocks: int,
        head_size: int,
        kernel_size: int = 4,
        channels: int = 64,
        is_bounded: bool = True,
    ):
        super().__init__()
        self.is_bounded = is_bounded
        self.rows = RowsBody(obs_shape[-1], size, num_blocks) if kind == "rows" else None
        is_conv = kind == "conv"
        if kind in ("conv", "board") and len(obs_shape) != 3:
            raise ValueError(
                f"network={kind} needs observations [planes, rows, columns], not {list(obs_shape)}; use network=mlp"
            )
        self.is_conv = is_conv
        self.windows: Layer | None = None
        num_inputs = obs_shape[0] if is_conv else math.prod(obs_shape)
        if kind == "board":
            if not 1 <= kernel_size <= min(obs_shape[1:]):
                raise ValueError(
                    f"kernel_size={kernel_size} must be between 1 and {min(obs_shape[1:])}, the board's side"
                )
            self.windows = Layer(obs_shape[0], channels, True, kernel_size, is_padded=False)
            num_inputs = math.prod(side - kernel_size + 1 for side in obs_shape[1:]) * channels
        if self.rows is None:
            self.stem = Layer(num_inputs, size, is_conv)
            self.blocks = nn.Sequential(*(Block(size, is_conv) for _ in range(num_blocks)))
        num_cells = obs_shape[1] * obs_shape[2] if is_conv else 1
        head_channels = 8
        self.policy_layer = Layer(size, head_channels, True, 1) if is_conv else nn.Identity()
        self.value_layer = Layer(size, head_channels, True, 1) if is_conv else nn.Identity()
        num_features = head_channels * num_cells if is_conv else 2 * size if kind == "rows" else size
        self.policy_head: nn.Module = nn.Linear(num_features, num_actions)
        if kind == "rows":
            num_others = actions_about_no_row(tuple(obs_shape), spaces.Discrete(num_actions))
            self.policy_head = RowsHead(size, num_others)
        self.value_hidden = nn.Linear(num_features, head_size)
        self.value_head: nn.Linear = nn.Linear(head_size, 1) if is_bounded else NormalizedLinear(head_size)
        if is_conv:
            for parameter in self.parameters():
                if parameter.dim() == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        for head in (self.policy_head, self.value_head):
            if isinstance(head, nn.Linear):
                nn.init.normal_(head.weight, std=0.01)
                nn.init.zeros_(head.bias)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        if self.rows is not None:
            features = self.rows(obs)
            return self.policy_head(features), self._values(features[1])
        x = obs if self.windows is None else torch.relu(self.windows(obs))
        x = x if self.is_conv else x.flatten(1)
        x = self.blocks(torch.relu(self.stem(x)))
        policy = torch.relu(self.policy_layer(x)).flatten(1)
        value = torch.relu(self.value_layer(x)).flatten(1)
        return self.policy_head(policy), self._values(value)

    def _values(self, features: Tensor) -> Tensor:
        values = self.value_head(torch.relu(self.value_hidden(features)))
        return torch.tanh(values.squeeze(-1)) if self.is_bounded else values


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 itself (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported())


class Evaluator:
    """A network as searches call it: NumPy observations in, NumPy logits and values out, nothing learned.

    Its batch norms, affine maps in evaluation, have gone into the weights before them; both heads' first layers
    are one product. Few large operations: between them Python holds up the other threads.

    Args:
        network: the network; its weights are copied.
        dtype: of the products; None: bfloat16 where the processor has it, else float32.
    """

    def __init__(self, network: BoardNetwork, dtype: torch.dtype | None = None):
        self.dtype = dtype or (torch.bfloat16 if has_bfloat16() else torch.float32)
        self._rows = None if network.rows is None else deepcopy(network).eval()  # runs as it is
        if self._rows is not None:
            return
        assert isinstance(network.policy_head, nn.Linear)
        self._is_conv, self._num_actions = network.is_conv, network.policy_head.out_features
        head = network.value_head
        self._scale = (float(head.deviation), float(head.mean)) if isinstance(head, NormalizedLinear) else None
        if network.is_conv:
            heads = [_folded(network.policy_layer), _folded(network.value_layer)]
        else:
            heads = [_plain(network.policy_head), _plain(network.value_hidden)]
        self._windows = None if network.windows is None else self._cast(_folded(network.windows))
        self._stem = self._cast(_folded(network.stem))
        self._blocks = [
            (self._cast(_folded(block.first)), self._cast(_folded(block.second))) for block in network.blocks
        ]
        self._heads = self._cast(tuple(torch.cat(parts) for parts in zip(*heads, strict=True)))
        self._policy_head, self._value_hidden, self._value_head = (
            self._cast(_plain(layer)) for layer in (network.policy_head, network.value_hidden, network.value_head)
        )

    def _cast(self, layer: Any) -> tuple[Tensor, Tensor]:
        weight, bias = (part.detach().to(self.dtype) for part in layer)
        return weight.contiguous(memory_format=torch.channels_last) if weight.dim() == 4 else weight, bias

    def _apply(self, x: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        if self._is_conv:
            return functional.conv2d(x, *layer, padding=layer[0].shape[2] // 2)
        return functional.linear(x, *layer)

    @torch.inference_mode()
    def __call__(self, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits float32 [B, A], values float32 [B]) of observations [B, …]."""
        if self._rows is not None:
            logits, values = self._rows(torch.from_numpy(obs))
            return logits.numpy(), values.numpy()
        x = torch.from_numpy(obs).to(self.dtype)
        if self._is_conv:
            x = x.contiguous(memory_format=torch.channels_last)
        elif self._windows is not None:
            x = functional.conv2d(x, *self._windows).relu_().flatten(1)
        else:
            x = x.flatten(1)
        x = self._apply(x, self._stem).relu_()
        for first, second in self._blocks:
            x = self._apply(self._apply(x, first).relu_(), second).add_(x).relu_()
        x = self._apply(x, self._heads)
        if self._is_conv:
            policy, value = x.relu_().chunk(2, dim=1)
            logits = functional.linear(policy.flatten(1), *self._policy_head)
            hidden = functional.linear(value.flatten(1), *self._value_hidden)
        else:
            logits, hidden = x[:, : self._num_actions], x[:, self._num_actions :]
        values = functional.linear(hidden.relu(), *self._value_head)[:, 0]
        values = values.tanh().float() if self._scale is None else values.float() * self._scale[0] + self._scale[1]
        return logits.float().numpy(), values.numpy()


def _plain(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    return layer.weight, layer.bias


def _folded(layer: Any) -> tuple[Tensor, Tensor]:
    """Return (weight, bias) of a layer with its batch norm in them."""
    weight, norm = layer[0].weight, layer[1]
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1)), norm.bias - norm.running_mean * scale
