"""Draws LostSales: units on their way, on the shelf, and what customers asked for in the last period."""

from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (720, 440)
KEYS = {str(units): lambda state, params, units=units: min(units, int(params.max_order)) for units in range(10)}

_FLOOR = 296.0  # y on which the bars stand
_UNIT = 9.0  # pixels a unit
_MOST = 22  # units that a bar has room for
_BUTTONS_TOP, _BUTTON_HEIGHT, _LEFT = 372.0, 34.0, 28.0


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    lead_time = int(params.lead_time)
    canvas.rect(20, 56, SIZE[0] - 40, 290, PANEL, 10)
    canvas.text(f"after period {int(state.num_steps)}", 28, 30, 24)
    _draw_costs(state, params, canvas)
    columns = lead_time + 1  # on order, on hand, demand
    width = (SIZE[0] - 80) / columns
    for k in range(lead_time - 1):
        x = 40 + width * (lead_time - 2 - k + 0.5)
        when = "arrives next" if k == 0 else f"in {k + 1} periods"
        _draw_bar(canvas, x, width, [(int(state.pipeline[k]), BLUE)], when)
    stock, demand, lost = int(state.stock), int(state.demand), int(state.lost)
    _draw_bar(canvas, 40 + width * (lead_time - 0.5), width, [(stock, GREEN)], "on the shelf")
    parts = [(demand - lost, YELLOW), (lost, RED)]
    _draw_bar(canvas, 40 + width * (lead_time + 0.5), width, parts, "demand", f"{lost} lost" if lost else "")
    divider = 40 + width * lead_time
    canvas.line([(divider, 72), (divider, 334)], LINE, 1.5)
    _draw_buttons(state, params, canvas)


def _draw_costs(state, params, canvas):
    periods = int(state.num_counted)
    canvas.text(f"cost of the period {float(state.cost):.0f}", 300, 30, 20, MUTED)
    if periods:
        canvas.text(f"mean cost {float(state.total_cost) / periods:.2f}", SIZE[0] - 28, 30, 20, TEXT, "right")
    else:
        canvas.text("warming up", SIZE[0] - 28, 30, 20, MUTED, "right")


def _draw_bar(canvas, x, width, parts, label, note=""):
    """Draw units as blocks upon each other, with their number above them."""
    half = min(30.0, width / 3)
    canvas.line([(x - half - 8, _FLOOR + 3), (x + half + 8, _FLOOR + 3)], LINE, 2)
    level = 0
    for units, color in parts:
        for _ in range(min(units, _MOST - level)):
            canvas.rect(x - half, _FLOOR - (level + 1) * _UNIT + 1, 2 * half, _UNIT - 2, color, 2)
            level += 1
    total = sum(units for units, _ in parts)
    canvas.text(str(total), x, _FLOOR - level * _UNIT - 14, 24, TEXT if total else MUTED, "center")
    canvas.text(label, x, _FLOOR + 20, 17, MUTED, "center")
    if note:
        canvas.text(note, x, _FLOOR + 39, 17, RED, "center")


def _draw_buttons(state, params, canvas):
    canvas.text("order", _LEFT, 359, 16, MUTED)
    count = int(params.max_order) + 1
    width = (SIZE[0] - 2 * _LEFT) / count
    for units in range(count):
        is_last = units == int(state.order) and int(state.num_steps) > 0
        color = BLUE if is_last else CARD
        canvas.rect(_LEFT + units * width + 2, _BUTTONS_TOP, width - 4, _BUTTON_HEIGHT, color, 5)
        if count <= 31 or units % 5 == 0:
            shade = BACKGROUND if is_last else mix(CARD, TEXT, 0.8)
            canvas.text(str(units), _LEFT + (units + 0.5) * width, _BUTTONS_TOP + 17, 18, shade, "center")
    canvas.text("the last order is blue; click to order", SIZE[0] / 2, 423, 15, MUTED, "center")


def action_from_click(state, params, x, y):
    """Return the order of the button at (x, y), or None."""
    count = int(params.max_order) + 1
    units = int((x - _LEFT) // ((SIZE[0] - 2 * _LEFT) / count))
    is_inside = _BUTTONS_TOP <= y <= _BUTTONS_TOP + _BUTTON_HEIGHT and 0 <= units < count
    return units if is_inside else None
