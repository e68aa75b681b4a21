"""Draws SupplyChain: the supplier at the left, every stage with its stock, what is under way, the customers."""

from rlkit.viewing.canvas import BACKGROUND, BLUE, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (860, 420)

_FLOOR = 300.0  # y on which the bars stand
_TALLEST = 180.0  # pixels
_FULL = 5.0  # periods of mean demand that the tallest bar stands for


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    canvas.text(f"after period {int(state.num_steps)}", 28, 30, 24)
    canvas.text(f"cost of the period {float(state.cost):.1f}", SIZE[0] / 2, 30, 20, MUTED, "center")
    periods = int(state.num_counted)
    mean = f"mean cost {float(state.total_cost) / periods:.2f}" if periods else "warming up"
    canvas.text(mean, SIZE[0] - 28, 30, 20, TEXT if periods else MUTED, "right")
    canvas.rect(20, 56, SIZE[0] - 40, 300, PANEL, 10)
    num_stages = int(params.num_stages)
    lead_times = [int(params.lead_times[j]) for j in range(num_stages)]
    num_slots = sum(max(1, lead_time - 1) for lead_time in lead_times)
    width = (SIZE[0] - 60) / (1.3 * num_stages + num_slots + 2.2)  # of a slot on the way
    x = 30.0
    for j in reversed(range(num_stages)):
        x = _draw_way(state, params, canvas, j, lead_times[j], x, width)
        x = _draw_stage(state, params, canvas, j, x, 1.3 * width)
    _draw_customers(state, params, canvas, x, width)
    _draw_legend(canvas)


def _draw_way(state, params, canvas, stage, lead_time, x, width):
    """Draw what is under way to a stage, farthest first; return where it ends."""
    slots = max(1, lead_time - 1)
    y = _FLOOR + 18
    canvas.line([(x + 6, y), (x + slots * width - 6, y)], LINE, 2)
    tip = x + slots * width - 5
    canvas.polygon([(tip, y), (tip - 9, y - 5), (tip - 9, y + 5)], LINE)
    for k in range(lead_time - 1):
        units = float(state.pipeline[stage, k])
        _draw_bar(canvas, x + (slots - k - 0.5) * width, 0.5 * width, units, BLUE, params)
    sent = f"{_text(float(state.sent[stage]))} sent"
    canvas.text(sent, x + slots * width / 2, _FLOOR + 36, 15, MUTED, "center", width=slots * width + 10)
    return x + slots * width


def _draw_stage(state, params, canvas, stage, x, width):
    centre = x + width / 2
    canvas.rect(x, 66, width, 280, mix(PANEL, LINE, 0.35), 8)
    _draw_bar(canvas, centre, 0.55 * width, float(state.stock[stage]), GREEN, params)
    canvas.text(f"stage {stage + 1}", centre, _FLOOR + 22, 17, TEXT, "center")
    local_cost = sum(float(params.echelon_costs[j]) for j in range(stage, int(params.num_stages)))
    canvas.text(f"a unit costs {local_cost:g}", centre, 82, 14, MUTED, "center", width=width)
    return x + width


def _draw_customers(state, params, canvas, x, width):
    half = 0.35 * width
    _draw_bar(canvas, x + 0.6 * width, 2 * half, float(state.demand), YELLOW, params)
    canvas.text("demand", x + 0.6 * width, _FLOOR + 22, 15, MUTED, "center", width=width)
    backorders = float(state.backorders)
    _draw_bar(canvas, x + 1.6 * width, 2 * half, backorders, RED, params)
    canvas.text("waiting", x + 1.6 * width, _FLOOR + 22, 15, RED if backorders else MUTED, "center", width=width)


def _draw_bar(canvas, x, width, units, color, params):
    """Draw a bar of some units, with their number above it; a taller one than there is room for is cut."""
    height = min(_TALLEST, units / (_FULL * float(params.demand_mean)) * _TALLEST)
    canvas.line([(x - width / 2 - 3, _FLOOR + 2), (x + width / 2 + 3, _FLOOR + 2)], LINE, 2)
    if height > 0.5:
        canvas.rect(x - width / 2, _FLOOR - height, width, height, color, 3)
    canvas.text(_text(units), x, _FLOOR - height - 13, 20, TEXT if units else MUTED, "center")


def _text(units):
    return f"{units:.0f}" if abs(units - round(units)) < 0.05 or units >= 20 else f"{units:.1f}"


def _draw_legend(canvas):
    entries = ((BLUE, "under way"), (GREEN, "on hand"), (YELLOW, "demand of the period"), (RED, "backorders"))
    x = 40.0
    for color, label in entries:
        canvas.rect(x, 379, 14, 14, color, 3)
        canvas.text(label, x + 22, 386, 16, MUTED)
        x += 60 + canvas.text_width(label, 16)
