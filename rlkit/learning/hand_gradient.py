"""The gradient of a Huber loss through a perceptron, written out: small networks spend half their time in autograd."""

import torch
from torch import Tensor, nn

ACTIVATIONS = ("relu", "tanh")  # those whose derivative follows from their value


class HandGradient:
    """Back-propagation (Rumelhart, Hinton, Williams 1986) through linear layers, for losses of one output a row.

    Args:
        parameters: weights and biases by turns, from the first layer to the last; read at every call.
        activation: one of ACTIVATIONS, behind every layer but the last.
    """

    def __init__(self, parameters: list[nn.Parameter], activation: str):
        self._layers = [
            (weight.data, bias.data) for weight, bias in zip(parameters[::2], parameters[1::2], strict=True)
        ]
        self._is_relu = activation == "relu"
        self.gradient = torch.cat([torch.zeros_like(parameter.data).flatten() for parameter in parameters])
        parts = self.gradient.split([parameter.numel() for parameter in parameters])
        views = [part.view(parameter.shape) for part, parameter in zip(parts, parameters, strict=True)]
        self._gradients = list(zip(views[::2], views[1::2], strict=True))

    @torch.no_grad()
    def __call__(self, inputs: Tensor, chosen: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Put the gradient of the mean of weight × Huber(target − output) into `gradient`; return the outputs [B, 1].

        Args:
            inputs: [B, …].
            chosen: [B, 1], which output of each row counts.
            targets: [B, 1].
            weights: [B, 1], or None: all 1.
        """
        values, outputs = self._forward(inputs)
        picked = outputs.gather(1, chosen)
        slope = (picked - targets).clamp_(-1.0, 1.0).div_(len(inputs))  # of the Huber loss with δ = 1
        if weights is not None:
            slope *= weights
        delta = torch.zeros_like(outputs).scatter_(1, chosen, slope)
        for k in range(len(self._layers) - 1, -1, -1):
            weight_gradient, bias_gradient = self._gradients[k]
            torch.mm(delta.t(), values[k], out=weight_gradient)
            torch.sum(delta, 0, out=bias_gradient)
            if k:
                delta = self._through(torch.mm(delta, self._layers[k][0]), values[k])
        return picked

    @torch.no_grad()
    def outputs(self, inputs: Tensor) -> Tensor:
        """Return all outputs [B, A]."""
        return self._forward(inputs)[1]

    def _forward(self, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return (the inputs of each layer, the outputs)."""
        values = [inputs.flatten(1)]
        for weight, bias in self._layers[:-1]:
            value = torch.addmm(bias, values[-1], weight.t())
            values.append(value.relu_() if self._is_relu else value.tanh_())
        weight, bias = self._layers[-1]
        return values, torch.addmm(bias, values[-1], weight.t())

    def _through(self, delta: Tensor, value: Tensor) -> Tensor:
        """Return `delta` before the activation that gave `value`."""
        if self._is_relu:
            return torch.ops.aten.threshold_backward(delta, value, 0)
        return delta.mul_(1.0 - value * value)
