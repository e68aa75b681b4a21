"""Random numbers that live in the state: SplitMix64 on the field `state.rng`.

Equal in plain Python and compiled: the arithmetic is on unsigned 64-bit numbers that wrap when compiled, and
on Python integers that are masked when interpreted (the mask costs nothing when compiled).

Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the
output function of Vigna's splitmix64.c (public domain).
"""

import math

import numpy as np

from rlkit.engine.jit import jit

_MASK = 0xFFFFFFFFFFFFFFFF
_GAMMA = 0x9E3779B97F4A7C15
_INVERSE_GAMMA = pow(_GAMMA, -1, 1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


@jit
def mix64(bits):
    """Scramble 64 bits (a bijection): SplitMix64's output function."""
    z = int(bits) & _MASK
    # The masks of the shifts are for signed `bits`, whose shifts would copy the sign when compiled.
    z = ((z ^ ((z >> 30) & (_MASK >> 30))) * _MIX_1) & _MASK
    z = ((z ^ ((z >> 27) & (_MASK >> 27))) * _MIX_2) & _MASK
    return z ^ ((z >> 31) & (_MASK >> 31))


@jit
def seed(state, number):
    """Start `state`'s stream from the unsigned 64-bit `number`; neighbouring numbers give unrelated streams."""
    state.rng = mix64(mix64(number) ^ _GAMMA)


def streams(number: int, count: int) -> np.ndarray:
    """Return `count` unrelated values for `state.rng`, uint64 [count], made of `number`."""
    mix = getattr(mix64, "py_func", mix64)  # plain Python: compiling it for this would take longer
    base = mix(number & _MASK) ^ _GAMMA
    return np.array([mix(mix(base ^ i) ^ _GAMMA) for i in range(count)], dtype=np.uint64)


def places(numbers: np.ndarray) -> np.ndarray:
    """Return where `state.rng` [N] stand on the cycle of 2⁶⁴ that all streams walk on, one place on with each draw."""
    return np.asarray(numbers, np.uint64) * np.uint64(_INVERSE_GAMMA)


@jit
def random_bits(state):
    """Return 64 random bits."""
    bits = (int(state.rng) + _GAMMA) & _MASK
    state.rng = bits
    return mix64(bits)


@jit
def uniform(state):
    """Return a float in [0, 1), a multiple of 2⁻⁵³."""
    return (random_bits(state) >> 11) * 1.1102230246251565e-16


@jit
def uniform_between(state, low, high):
    """Return a float in [low, high)."""
    return low + (high - low) * uniform(state)


@jit
def integer(state, low, high):
    """Return an integer in [low, high), for ranges far below 2⁵³."""
    return int(low + math.floor(uniform(state) * (high - low)))


@jit
def normal(state):
    """Return a draw from the standard normal distribution (Box–Muller; uses two uniforms, keeps none)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(state)))
    return radius * math.cos(2.0 * math.pi * uniform(state))


@jit
def exponential(state, rate):
    """Return a draw from the exponential distribution with the given rate."""
    return -math.log(1.0 - uniform(state)) / rate


@jit
def gamma(state, shape):
    """Return a gamma draw with the given shape and scale 1 (G. Marsaglia, W. W. Tsang, 2000).

    Normalised draws are a Dirichlet one. Below shape 1 a draw of shape + 1 is scaled by u^(1 / shape).
    """
    boost = 1.0
    if shape < 1.0:
        boost = (1.0 - uniform(state)) ** (1.0 / shape)
        shape = shape + 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        root = 1.0 + c * x
        v = root * root * root  # not ** 3, whose last bit differs between Python and the compiler
        if v > 0.0 and math.log(1.0 - uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return boost * d * v


@jit
def poisson(state, mean):
    """Return a Poisson draw by inversion of products (Knuth); time grows with `mean`, meant for means below 50."""
    limit = math.exp(-mean)
    count = 0
    product = uniform(state)
    while product > limit:
        count += 1
        product *= uniform(state)
    return count
