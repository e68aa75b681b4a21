from rlkit.engine.jit import jit

BOTTOM = sum(1 << (7 * c) for c in range(7))
BOARD = BOTTOM * 63
KEY_MASK = (1 << 49) - 1
HASH = 0x9E3779B97F4A7C15 & KEY_MASK | 1
TAG_BITS = 49


@jit
def count_bits(bits):
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@jit
def winning(own, mask):
    r = (own << 1) & (own << 2) & (own << 3)
    for s in (7, 6, 8):
        p = (own << s) & (own << (2 * s))
        r |= p & (own << (3 * s))
        r |= p & (own >> s)
        p = (own >> s) & (own >> (2 * s))
        r |= p & (own << s)
        r |= p & (own >> (3 * s))
    return r & (BOARD ^ mask)


@jit
def search(own, mask, plies, alpha, table, order, counters):
    counters[0] += 1
    opp = own ^ mask
    possible = (mask + BOTTOM) & BOARD
    opp_wins = winning(opp, mask)
    forced = possible & opp_wins
    moves = possible & ~(opp_wins >> 1)
    if forced:
        if forced & (forced - 1):
            return -((42 - plies) >> 1)
        moves &= forced
    if moves == 0:
        return -((42 - plies) >> 1)
    if plies >= 40:
        return 0
    low = -((40 - plies) >> 1)
    high = (41 - plies) >> 1
    if low > alpha:
        return low
    if high <= alpha:
        return high
    key = own + mask
    hashed = (key * HASH) & KEY_MASK
    slot = hashed >> 25
    tag = hashed & ((1 << 25) - 1)
    entry = table[slot]
    if entry >> 14 == tag:
        a = (entry & 127) - 64
        b = ((entry >> 7) & 127) - 64
        if a > low:
            low = a
        if b < high:
            high = b
        if low > alpha:
            return low
        if high <= alpha:
            return high
    count = 0
    for i in range(7):
        c = 3 + ((i + 1) >> 1) * (1 - ((i & 1) << 1))
        move = moves & (63 << (7 * c))
        if move:
            w = count_bits(winning(own | move, mask | move))
            item = (w << 56) | move
            j = count
            while j > 0 and (order[plies, j - 1] >> 56) < w:
                order[plies, j] = order[plies, j - 1]
                j -= 1
            order[plies, j] = item
            count += 1
    best = -100
    for i in range(count):
        move = order[plies, i] & BOARD
        v = -search(opp, mask | move, plies + 1, -alpha - 1, table, order, counters)
        if v > best:
            best = v
            if v > alpha:
                break
    if best > alpha:
        if best > low:
            low = best
    elif best < high:
        high = best
    table[slot] = (tag << 14) | ((high + 64) << 7) | (low + 64)
    return best


@jit
def solve(own, mask, low, high, table, order, counters):
    plies = count_bits(mask)
    if winning(own, mask) & (mask + BOTTOM):
        return (43 - plies) >> 1
    a = -((42 - plies) >> 1)
    b = (41 - plies) >> 1
    low = max(low, a)
    high = min(high, b)
    while low < high:
        med = low + ((high - low) >> 1)
        if med <= 0 and low // 2 < med:
            med = -((-low) >> 1)
        elif med >= 0 and (high >> 1) > med:
            med = high >> 1
        r = search(own, mask, plies, med, table, order, counters)
        if r <= med:
            high = r
        else:
            low = r
    return low


@jit
def move_scores(own, mask, best, scores, table, order, counters):
    plies = count_bits(mask)
    wins = winning(own, mask)
    opp = own ^ mask
    for i in range(7):
        c = 3 + ((i + 1) >> 1) * (1 - ((i & 1) << 1))
        move = (mask + (1 << (7 * c))) & (63 << (7 * c))
        if not move:
            scores[c] = -128
        elif move & wins:
            scores[c] = (43 - plies) >> 1
        else:
            scores[c] = -solve(opp, mask | move, -best, 21, table, order, counters)
