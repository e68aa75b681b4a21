"""Networks that agents share: perceptrons, convolutional bodies for boards, and bodies for sets of like things."""

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


class NormalizedLinear(nn.Linear):
    """Features [B, H] → values [B] in units of rewards, learned less their mean and over their deviation.

    PopArt (van Hasselt et al. 2016, arXiv:1602.07714): what the weights learn is near mean 0 and deviation 1 however
    large the values are, and however little they differ.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_features: int):
        super().__init__(num_features, 1)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).squeeze(-1).float() * self.deviation + self.mean

    @torch.no_grad()
    def rescale(self, mean: float, deviation: float) -> None:
        """Take another mean and deviation, and change the weights so that all values stay what they are."""
        old = float(self.deviation)
        self.weight.mul_(old / deviation)
        self.bias.mul_(old).add_(float(self.mean) - mean).div_(deviation)
        self.mean.fill_(mean)
        self.deviation.fill_(deviation)

    @torch.no_grad()
    def follow(self, returns: Tensor, values: Tensor) -> None:
        """Take in what `values` [B], which this layer gave, should have been: `returns` [B].

        Where PopArt would have the weights learn every move of the mean, all values move at once, by their mean error,
        and keep their differences. The variance is a running one.
        """
        share = 0.1 if self.mean else 1.0  # the first sets it
        variance = torch.lerp(self.deviation.square(), returns.var(), share)
        self.rescale(float(self.mean), max(float(variance) ** 0.5, 1e-4))
        self.mean += (returns - values).mean()


@torch.no_grad()
def flat_parameters(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """Return one vector with the values of `parameters`, which become views of it.

    An optimiser that steps the vector steps them all, in one operation instead of a dozen.
    """
    vector = torch.cat([parameter.flatten() for parameter in parameters])
    for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
        parameter.data = part.view(parameter.shape)
    return nn.Parameter(vector)


class BoardBody(nn.Module):
    """Planes [B, C, H, W] → features [B, hidden_size]: every window of a board by one convolution, then layers.

    A board game's lines fit into a window, and one convolution without padding is several times cheaper on a
    processor than a stack of padded ones.

    Args:
        shape: [C, H, W] of one observation.
        channels: of the convolution.
        kernel_size: rows and columns of a window, at most those of the board.
        hidden_size: of every layer after it.
        num_layers: layers with skip connections, after the first.
    """

    def __init__(self, shape: Sequence[int], channels: int, kernel_size: int, hidden_size: int, num_layers: int):
        super().__init__()
        planes, height, width = shape
        if not 1 <= kernel_size <= min(height, width):
            raise ValueError(f"kernel_size={kernel_size} must be between 1 and {min(height, width)}, the board's side")
        self.windows = nn.Conv2d(planes, channels, kernel_size)
        num_windows = (height - kernel_size + 1) * (width - kernel_size + 1)
        self.first = linear(channels * num_windows, hidden_size, math.sqrt(2))
        self.layers = nn.ModuleList(linear(hidden_size, hidden_size, math.sqrt(2)) for _ in range(num_layers))

    def forward(self, planes: Tensor) -> Tensor:
        x = torch.relu(self.windows(planes)).flatten(1)
        x = torch.relu(self.first(x))
        for layer in self.layers:
            x = x + torch.relu(layer(x))
        return x


class RowsBody(nn.Module):
    """Rows of features [B, R, F] → features of each row [B, R, H] and of all together [B, 2 H].

    For observations that are a list of things of one kind (jobs, queue slots): every row goes through the same
    weights and hears of the others by their mean and maximum only, so the order of rows does not matter and their
    number may be another one than in training (Zaheer et al. 2017, "Deep Sets").

    Args:
        num_features: F.
        hidden_size: H.
        num_layers: exchanges between the rows, each with a skip connection, after the first layer.
    """

    def __init__(self, num_features: int, hidden_size: int, num_layers: int):
        super().__init__()
        self.first = linear(num_features, hidden_size, math.sqrt(2))
        self.own = nn.ModuleList(linear(hidden_size, hidden_size, math.sqrt(2)) for _ in range(num_layers))
        self.heard = nn.ModuleList(linear(2 * hidden_size, hidden_size, 1.0) for _ in range(num_layers))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.first(rows))
        for own, heard in zip(self.own, self.heard, strict=True):
            x = x + torch.relu(own(x) + heard(pooled(x)).unsqueeze(1))
        return x, pooled(x)


def pooled(rows: Tensor) -> Tensor:
    """Return the mean and the maximum over the rows of [B, R, H], side by side [B, 2 H]."""
    return torch.cat([rows.mean(dim=1), rows.amax(dim=1)], dim=1)
