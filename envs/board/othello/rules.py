"""Othello's rules, on bitboards: bit row × 8 + column, so that a1 is bit 0 and h8 bit 63.

The 64th bit is the sign of a compiled int64, while plain Python counts on. Both hold the same bits, as long as
no board is compared by size and what `>>` or `<<` brings over the edge is masked away; the masks below do that
along with what they are for.
"""

import numpy as np

from rlkit.engine.jit import jit
from rlkit.engine.rng import integer
from rlkit.engine.state import params_dtype, state_dtype

SIZE = 8
CELLS = SIZE * SIZE
PASS = CELLS
NUM_PLANES = 4  # of an observation
FIRST, SECOND = 1, -1  # black and white; black begins

# (distance of neighbours in a line, where discs of such lines can be enclosed: not at the ends of the line).
_NOT_A_OR_H = 0x7E7E7E7E7E7E7E7E
_NOT_1_OR_8 = 0x00FFFFFFFFFFFF00
_INSIDE = _NOT_A_OR_H & _NOT_1_OR_8
LINES = ((1, _NOT_A_OR_H), (SIZE, _NOT_1_OR_8), (SIZE + 1, _INSIDE), (SIZE - 1, _INSIDE))

_D4, _E4, _D5, _E5 = 1 << 27, 1 << 28, 1 << 35, 1 << 36

STATE = state_dtype(
    discs=(np.uint64, (2,)),  # bitboards of FIRST's and SECOND's discs
    legal=np.uint64,  # where the side to move may play
    must_pass=np.int8,  # whether it can play nowhere and the other side can; when neither can, the game is over
    player=np.int8,  # who moves next, FIRST or SECOND
    last=np.int8,  # the action played last, −1 at the start
)
PARAMS = params_dtype(
    max_random_plies=0,  # an episode begins after 0 to so many uniformly random plies, none of which ends the game
)


@jit
def reset(state, params):
    state.discs[0] = _E4 | _D5
    state.discs[1] = _D4 | _E5
    state.legal = legal_moves(_E4 | _D5, _D4 | _E5)
    state.must_pass = False
    state.player = FIRST
    state.last = -1
    if params.max_random_plies > 0:
        for _ in range(integer(state, 0, int(params.max_random_plies) + 1)):
            _random_ply(state)


@jit
def _random_ply(state):
    """Play a random legal action, unless that ends the game."""
    legal = to_int(state.legal)
    action = PASS
    if legal != 0:
        for _ in range(integer(state, 0, count_bits(legal))):
            legal &= legal - 1
        action = lowest_bit(legal)
    own, other = _discs_after(state, action)
    if legal_moves(own, other) | legal_moves(other, own) != 0:
        _change_sides(state, own, other, action)


@jit
def to_int(bits):
    """Return a uint64 field as what boards are calculated with: int64 when compiled (it keeps all bits)."""
    return int(bits) & -1


@jit
def _runs(start, enclosable, distance):
    """Return the unbroken runs of `enclosable` that begin beside `start`: (towards h8, towards a1).

    Three doublings cover the six discs that a run can have (Kogge and Stone, 1973).
    """
    up, down = enclosable & (start << distance), enclosable & (start >> distance)
    up |= enclosable & (up << distance)
    down |= enclosable & (down >> distance)
    pairs_up, pairs_down = enclosable & (enclosable << distance), enclosable & (enclosable >> distance)
    up |= pairs_up & (up << 2 * distance)
    down |= pairs_down & (down >> 2 * distance)
    up |= pairs_up & (up << 2 * distance)
    down |= pairs_down & (down >> 2 * distance)
    return up, down


@jit
def legal_moves(own, other):
    """Return the empty cells from which a run of `other` ends at a disc of `own`."""
    ends = 0
    for distance, inside in LINES:
        up, down = _runs(own, other & inside, distance)
        ends |= (up << distance) | (down >> distance)
    return ends & ~(own | other)


@jit
def flips(own, other, disc):
    """Return the discs of `other` that turn when `own` plays `disc` (one bit)."""
    turned = 0
    for distance, inside in LINES:
        up, down = _runs(disc, other & inside, distance)
        if own & (up << distance):
            turned |= up
        if own & (down >> distance):
            turned |= down
    return turned


@jit
def count_bits(bits):
    """Return how many bits are set, adding up neighbours in parallel."""
    bits = bits - ((bits >> 1) & 0x5555555555555555)
    bits = (bits & 0x3333333333333333) + ((bits >> 2) & 0x3333333333333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F
    bits += bits >> 8
    bits += bits >> 16
    return (bits + (bits >> 32)) & 127


@jit
def lowest_bit(bits):
    """Return the number of the lowest set bit."""
    return count_bits((bits & -bits) - 1)


@jit
def _discs_after(state, action):
    """Return (own, other) of the side to move after its action."""
    side = 0 if state.player == FIRST else 1
    own, other = to_int(state.discs[side]), to_int(state.discs[1 - side])
    if action == PASS:
        return own, other
    disc = 1 << int(action)
    turned = flips(own, other, disc)
    return own | disc | turned, other & ~turned


@jit
def _change_sides(state, own, other, action):
    """Store the discs after the mover's `action` and let the other side move."""
    side = 0 if state.player == FIRST else 1
    state.discs[side] = own
    state.discs[1 - side] = other
    legal = legal_moves(other, own)
    state.legal = legal
    state.must_pass = legal == 0 and legal_moves(own, other) != 0
    state.last = action
    state.player = -state.player


@jit
def step(state, params, action):
    own, other = _discs_after(state, action)
    _change_sides(state, own, other, action)
    if to_int(state.legal) != 0 or state.must_pass:
        return 0.0, False
    difference = count_bits(own) - count_bits(other)
    return float((difference > 0) - (difference < 0)), True


@jit
def observe(state, params, obs):
    side = 0 if state.player == FIRST else 1
    own, other = to_int(state.discs[side]), to_int(state.discs[1 - side])
    legal, theirs = to_int(state.legal), legal_moves(other, own)
    flat = obs.flat
    for cell in range(obs.size // NUM_PLANES):  # a bound unknown to the compiler: it keeps one loop and vectorises it
        flat[cell] = (own >> cell) & 1
        flat[CELLS + cell] = (other >> cell) & 1
        flat[2 * CELLS + cell] = (legal >> cell) & 1
        flat[3 * CELLS + cell] = (theirs >> cell) & 1


@jit
def action_mask(state, params, mask):
    legal = to_int(state.legal)
    for cell in range(mask.shape[0] - 1):
        mask[cell] = (legal >> cell) & 1
    mask[PASS] = state.must_pass


@jit
def metrics(state, params, out):
    out[0] = count_bits(to_int(state.discs[0])) - count_bits(to_int(state.discs[1]))
