"""Networks that agents share: multilayer perceptrons and small convolutional bodies for boards."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}


def linear(num_inputs: int, num_outputs: int, gain: float) -> nn.Linear:
    """Return a linear layer with orthogonal weights (Saxe et al. 2014) of the given gain and zero biases."""
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(num_inputs: int, hidden_sizes: Sequence[int], activation: str = "tanh") -> nn.Sequential:
    """Return hidden layers [B, num_inputs] → [B, hidden_sizes[-1]]."""
    layers: list[nn.Module] = []
    for size in hidden_sizes:
        layers += [linear(num_inputs, size, math.sqrt(2)), ACTIVATIONS[activation]()]
        num_inputs = size
    return nn.Sequential(*layers)


class BoardBody(nn.Module):
    """Planes [B, C, H, W] → features [B, hidden_size]: 3 × 3 convolutions with skip connections, then one layer."""

    def __init__(self, shape: Sequence[int], channels: int, num_layers: int, hidden_size: int):
        super().__init__()
        planes, height, width = shape
        self.stem = nn.Conv2d(planes, channels, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(num_layers))
        self.out = linear(channels * height * width, hidden_size, math.sqrt(2))

    def forward(self, planes: Tensor) -> Tensor:
        x = torch.relu(self.stem(planes))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return torch.relu(self.out(x.flatten(1)))
