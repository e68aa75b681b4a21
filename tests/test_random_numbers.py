"""Random numbers that live in the state."""

import json

import numpy as np
import pytest
from scipy.stats import kstest
from tiny_environments import run_python

from rlkit.engine import rng
from rlkit.engine.bind import bind
from rlkit.engine.state import state_dtype


@pytest.fixture(scope="module")
def draws():
    """The random functions, compiled and kept."""
    return bind(rng)


@pytest.fixture
def state():
    state = np.zeros(1, state_dtype(x=np.int8))[0]
    state.rng = 1234567
    return state


def test_the_bits_are_splitmix64s(draws, state):
    # The first five numbers of SplitMix64 from seed 1234567, as Rosetta Code lists them.
    known = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(draws.random_bits(state)) for _ in range(5)] == known


PLAIN = """
import json
import numpy as np
from rlkit.engine import rng
from rlkit.engine.state import state_dtype
state = np.zeros(1, state_dtype(x=np.int8))[0]
rng.seed(state, -7)
calls = [(rng.uniform,), (rng.uniform_between, -2.0, 3.0), (rng.integer, -3, 9), (rng.normal,)]
calls += [(rng.exponential, 0.5), (rng.poisson, 4.0), (rng.gamma, 0.3), (rng.gamma, 2.5), (rng.random_bits,)]
print(json.dumps([[float(f(state, *args)).hex() for f, *args in calls] for _ in range(200)]))
"""


def test_plain_python_draws_the_same_numbers(draws, state):
    draws.seed(state, -7)
    calls = [(draws.uniform,), (draws.uniform_between, -2.0, 3.0), (draws.integer, -3, 9), (draws.normal,)]
    calls += [(draws.exponential, 0.5), (draws.poisson, 4.0), (draws.gamma, 0.3), (draws.gamma, 2.5)]
    calls += [(draws.random_bits,)]
    own = [[float(f(state, *args)).hex() for f, *args in calls] for _ in range(200)]
    assert own == json.loads(run_python(PLAIN, NUMBA_DISABLE_JIT="1").stdout)


def test_distributions(draws, state):
    count = 20_000  # bounds are five standard errors wide

    def sample(function, *args):
        return np.array([function(state, *args) for _ in range(count)])

    uniforms = sample(draws.uniform)
    assert 0 <= uniforms.min() < uniforms.max() < 1
    assert abs(uniforms.mean() - 0.5) < 0.0103
    assert abs(np.corrcoef(uniforms[:-1], uniforms[1:])[0, 1]) < 0.036
    integers = sample(draws.integer, -2, 3)
    assert sorted(set(integers.tolist())) == [-2, -1, 0, 1, 2]
    assert abs(np.bincount(integers + 2) / count - 0.2).max() < 0.0142
    normals = sample(draws.normal)
    assert abs(normals.mean()) < 0.036
    assert abs(normals.var() - 1) < 0.05
    assert abs((np.abs(normals) < 1).mean() - 0.6827) < 0.0165
    exponentials = sample(draws.exponential, 2.0)
    assert exponentials.min() >= 0
    assert abs(exponentials.mean() - 0.5) < 0.018
    poissons = sample(draws.poisson, 3.5)
    assert abs(poissons.mean() - 3.5) < 0.067
    assert abs(poissons.var() - 3.5) < 0.2


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.0])
def test_gamma(draws, state, shape):
    count = 20_000
    found = np.array([draws.gamma(state, shape) for _ in range(count)])
    assert found.min() > 0
    # Mean and variance are both the shape, the fourth central moment is 3 shape² + 6 shape.
    assert abs(found.mean() - shape) < 5 * np.sqrt(shape / count)
    assert abs(found.var() - shape) < 5 * np.sqrt((2 * shape**2 + 6 * shape) / count)
    assert kstest(found, "gamma", args=(shape,)).pvalue > 1e-4


def test_neighbouring_seeds_and_streams_are_unrelated(draws, state):
    values = set()
    for number in range(2000):
        draws.seed(state, number)
        values.add(int(state.rng))
    assert len(values) == 2000
    bits = np.unpackbits(rng.streams(7, 2000).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 0.007
    assert (rng.streams(7, 10) == rng.streams(7, 20)[:10]).all()
    assert not set(rng.streams(7, 1000).tolist()) & set(rng.streams(8, 1000).tolist())
