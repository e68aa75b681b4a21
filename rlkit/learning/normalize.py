"""Running mean and variance, for observations and for the scale of returns."""

import numpy as np


class RunningMoments:
    """Mean and variance of everything seen so far, element by element (Chan, Golub, LeVeque 1983).

    Args:
        shape: of one sample.
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        self.mean = np.zeros(shape)
        self.var = np.ones(shape)
        self.count = np.full((), 1e-4)

    def update(self, samples: np.ndarray) -> None:
        """Take in `samples` [B, *shape]."""
        mean, var, count = samples.mean(axis=0), samples.var(axis=0), samples.shape[0]
        delta, total = mean - self.mean, self.count + count
        self.mean = self.mean + delta * count / total
        spread = self.var * self.count + var * count + delta**2 * self.count * count / total
        self.var, self.count = spread / total, np.asarray(total)

    def normalized(self, samples: np.ndarray, clip: float = 10.0) -> np.ndarray:
        """Return samples less the mean over the standard deviation, within ±clip, float32."""
        return np.clip((samples - self.mean) / np.sqrt(self.var + 1e-8), -clip, clip).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all there is to save, by name."""
        return {"mean": np.asarray(self.mean), "var": np.asarray(self.var), "count": self.count}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` gave."""
        self.mean, self.var, self.count = (np.array(arrays[name]) for name in ("mean", "var", "count"))


class ReturnScale:
    """Divides rewards by the running standard deviation of the discounted return of each copy.

    As in OpenAI baselines' VecNormalize: the scale changes, the sign and the zero do not.
    """

    def __init__(self, num_envs: int, gamma: float):
        self.moments = RunningMoments()
        self.running_returns = np.zeros(num_envs)
        self._gamma = gamma

    def __call__(self, rewards: np.ndarray, done: np.ndarray) -> np.ndarray:
        """Return the scaled rewards [N] of a step; `done` [N] ends an episode."""
        self.running_returns = self._gamma * self.running_returns + rewards
        self.moments.update(self.running_returns)
        self.running_returns[done] = 0.0
        return rewards / self.deviation

    @property
    def deviation(self) -> float:
        """Reward units of one unit of what is learned."""
        return float(np.sqrt(self.moments.var + 1e-8))
