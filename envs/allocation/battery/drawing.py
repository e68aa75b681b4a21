"""Draws Battery: the price of each hour with what the battery does, its charge, the sun, and the grid with its peak."""

from envs.allocation.battery.rules import load_now, num_hours, price_now, sun_now
from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (960, 560)
ACTION_NAMES = ("power",)
KEYS = {"up": (1.0,), "down": (-1.0,)}
IDLE_ACTION = (0.0,)

_LEFT, _WIDTH = 70.0, 860.0
_PRICE = (70.0, 200.0)  # top, height of each chart
_CHARGE = (310.0, 90.0)
_GRID = (438.0, 84.0)


def draw(state, params, canvas):
    """Draw one state."""
    hours, hour = int(num_hours(params)), int(state.hour)
    column = _WIDTH / hours
    canvas.fill(BACKGROUND)
    _draw_head(state, params, canvas, hour, hours)
    for top, height in (_PRICE, _CHARGE, _GRID):
        canvas.rect(_LEFT, top, _WIDTH, height, PANEL)
        _draw_clock(canvas, hours, column, top, height, with_text=(top, height) == _GRID)
    _draw_prices(state, params, canvas, hour, hours, column)
    _draw_charge(state, params, canvas, hour, column)
    _draw_grid(state, params, canvas, hour, hours, column)
    if hour < hours:
        x = _LEFT + (hour + 0.5) * column
        for top, height in (_PRICE, _CHARGE, _GRID):
            canvas.line([(x, top), (x, top + height)], MUTED, 1.5)


def _draw_head(state, params, canvas, hour, hours):
    clock = f"day {hour // 24 + 1}, {hour % 24:02d}:00" if hour < hours else "the end"
    canvas.text(clock, _LEFT, 26, 24, TEXT)
    figures = f"saved {float(state.profit):.2f}".replace("-", "−")
    canvas.text(figures, _LEFT + _WIDTH, 26, 24, GREEN if float(state.profit) >= 0 else RED, "right")
    canvas.text("price", _LEFT, 56, 16, YELLOW)
    canvas.text("charging", _LEFT + 50, 56, 16, BLUE)
    canvas.text("discharging", _LEFT + 122, 56, 16, GREEN)
    limit = float(params.max_power)
    now = f"price now {price_now(state, params):.3f}, battery at most ±{limit:.0f} kW"
    canvas.text(now.replace("-", "−"), _LEFT + _WIDTH, 56, 16, MUTED, "right")
    canvas.text(f"charge, of {float(params.capacity):.0f} kWh", _LEFT, _CHARGE[0] - 13, 16, MUTED)
    canvas.text("from the grid", _LEFT, _GRID[0] - 13, 16, TEXT)
    canvas.text("panels", _LEFT + 96, _GRID[0] - 13, 16, YELLOW)
    canvas.text("peak of the day", _LEFT + 150, _GRID[0] - 13, 16, RED)


def _draw_clock(canvas, hours, column, top, height, with_text):
    every = 6 if hours <= 72 else 24
    for hour in range(0, hours + 1, every):
        x = _LEFT + hour * column
        canvas.line([(x, top), (x, top + height)], LINE if hour % 24 == 0 else mix(PANEL, LINE, 0.5), 1)
        if with_text and hour < hours:
            canvas.text(f"{hour % 24:02d}:00", x + 4, top + height + 13, 15, MUTED)


def _prices(state, params, hour, hours):
    """Return the prices so far, with that of this hour, if there is one."""
    prices = [float(price) for price in state.past_price[:hour]]
    return [*prices, float(price_now(state, params))] if hour < hours else prices


def _draw_prices(state, params, canvas, hour, hours, column):
    """Draw prices as steps, the usual ones dimly, and the battery's power as bars from the middle."""
    top, height = _PRICE
    mean = float(params.price_mean)
    usual = [mean * float(params.price_shape[h % 24]) for h in range(hours)]
    prices = _prices(state, params, hour, hours)
    highest, lowest = max(2.0 * mean, *usual, *prices), min(0.0, *usual, *prices)

    def height_of(price):
        return top + height - 6 - (height - 12) * (price - lowest) / (highest - lowest)

    middle, limit = top + height / 2, float(params.max_power)
    for h in range(hour):
        length = (height / 2 - 6) * float(state.past_power[h]) / limit
        color = mix(PANEL, BLUE if length > 0 else GREEN, 0.75)
        if abs(length) > 0.5:
            canvas.rect(_LEFT + h * column + 1.5, middle - max(length, 0), column - 3, abs(length), color, 2)
    canvas.line([(_LEFT, middle), (_LEFT + _WIDTH, middle)], LINE, 1)
    _draw_steps(canvas, [height_of(price) for price in usual], column, mix(PANEL, YELLOW, 0.35), 1.5)
    _draw_steps(canvas, [height_of(price) for price in prices], column, YELLOW, 2.5)
    for price in (highest, mean, lowest):
        canvas.text(f"{price:.2f}".replace("-", "−"), _LEFT - 8, height_of(price), 15, MUTED, "right")


def _draw_steps(canvas, heights, column, color, width):
    points = [(_LEFT + (h + side) * column, y) for h, y in enumerate(heights) for side in (0, 1)]
    if points:
        canvas.line(points, color, width)


def _draw_charge(state, params, canvas, hour, column):
    top, height = _CHARGE
    capacity = float(params.capacity)
    charges = [float(params.initial_charge) * capacity, *(float(c) for c in state.past_charge[:hour])]
    points = [(_LEFT + h * column, top + height * (1 - charge / capacity)) for h, charge in enumerate(charges)]
    if len(points) > 1:
        floor = [(points[-1][0], top + height), (points[0][0], top + height)]
        canvas.polygon([*points, *floor], mix(PANEL, BLUE, 0.4))
        canvas.line(points, BLUE, 2)
    share = 100 * float(state.charge) / capacity
    canvas.text(f"{share:.0f} %", _LEFT + _WIDTH, top - 13, 16, TEXT, "right")
    canvas.text("full", _LEFT - 8, top + 6, 15, MUTED, "right")
    canvas.text("empty", _LEFT - 8, top + height - 6, 15, MUTED, "right")


def _draw_grid(state, params, canvas, hour, hours, column):
    """Draw import and feed-in as bars about zero, the panels as a line, and each day's largest import."""
    top, height = _GRID
    suns = [float(sun) for sun in state.past_sun[:hour]] + ([float(sun_now(state, params))] if hour < hours else [])
    loads = [float(params.load_mean) * float(params.load_shape[h % 24]) for h in range(hours)]
    grids = [loads[h] - suns[h] + float(state.past_power[h]) for h in range(hour)]
    limit = float(params.max_power)
    high, low = max(loads) + limit, -limit - float(params.sun_peak) * float(params.sun_shape.max()) / 2

    def height_of(power):
        return top + height * (high - min(max(power, low), high)) / (high - low)

    for h, grid in enumerate(grids):
        upper, lower = height_of(max(grid, 0.0)), height_of(min(grid, 0.0))
        canvas.rect(_LEFT + h * column + 1.5, upper, column - 3, max(1.0, lower - upper), mix(PANEL, TEXT, 0.55), 2)
    canvas.line([(_LEFT, height_of(0.0)), (_LEFT + _WIDTH, height_of(0.0))], LINE, 1.5)
    canvas.line([(_LEFT + (h + 0.5) * column, height_of(sun)) for h, sun in enumerate(suns)], YELLOW, 2)
    for day in range((hour + 23) // 24):
        peak = max(0.0, *grids[24 * day : 24 * day + 24])
        ends = [(_LEFT + h * column, height_of(peak)) for h in (24 * day, 24 * day + 24)]
        canvas.line(ends, RED, 2)
        canvas.text(f"{peak:.0f} kW", ends[1][0] - 4, ends[1][1] + 10, 15, RED, "right")
    canvas.text("0 kW", _LEFT - 8, height_of(0.0), 15, MUTED, "right")
    idle = f"site without the battery now {load_now(state, params) - suns[-1]:.0f} kW" if hour < hours else ""
    canvas.text(idle.replace("-", "−"), _LEFT + _WIDTH, top - 13, 16, MUTED, "right")
