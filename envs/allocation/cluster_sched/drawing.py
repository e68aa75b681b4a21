"""Draws ClusterSched: what runs on each resource from now on, the window of waiting jobs, and the backlog."""

from envs.allocation.cluster_sched.rules import HORIZON, NO_JOB, WAITING, WINDOW, fits, num_resources, slowdown
from rlkit.viewing.canvas import BACKGROUND, BLUE, CARD, GREEN, LINE, MUTED, PANEL, RED, TEXT, YELLOW, mix

SIZE = (960, 560)
ACTION_NAMES = (*(f"start slot {slot + 1}" for slot in range(WINDOW)), "let a step pass")
KEYS = {str((slot + 1) % 10): slot for slot in range(WINDOW)} | {"right": WINDOW}

_COLORS = (
    BLUE, GREEN, YELLOW, RED, (178, 132, 255), (96, 205, 222), (255, 158, 94), (240, 139, 196), (165, 190, 90),
    (150, 168, 200),
)  # fmt: skip
_LEFT, _TOP, _PLOT_WIDTH = 60.0, 86.0, 440.0
_SLOTS_LEFT, _SLOT_HEIGHT, _SLOTS_WIDTH = 560.0, 37.0, 370.0
_FIGURES = 528.0  # height of the line of figures


def draw(state, params, canvas):
    """Draw one state."""
    count = int(num_resources(params))
    canvas.fill(BACKGROUND)
    canvas.text(f"step {int(state.time)}", _LEFT, 28, 24, TEXT)
    canvas.text("what runs, and for how many steps more", _LEFT, 52, 17, MUTED)
    canvas.text("who starts next", _SLOTS_LEFT, 28, 24, TEXT)
    canvas.text("slot", _SLOTS_LEFT, 68, 17, MUTED)
    canvas.text("needs", _SLOTS_LEFT + 40, 68, 17, MUTED)
    canvas.text("lasts", _SLOTS_LEFT + 190, 68, 17, MUTED)
    canvas.text("waited", _SLOTS_LEFT + _SLOTS_WIDTH, 68, 17, MUTED, "right")
    height = (424.0 - 34.0 * (count - 1)) / count
    for r in range(count):
        _draw_resource(state, params, canvas, r, _TOP + r * (height + 34), height)
    for slot in range(WINDOW):
        _draw_slot(state, params, canvas, slot)
    _draw_backlog(state, canvas)
    _draw_figures(state, params, canvas)


def action_from_click(state, params, x, y):
    """Return the slot clicked on, if its job fits; to let a step pass, click on the chart."""
    if _LEFT <= x < _LEFT + _PLOT_WIDTH and _TOP <= y < _TOP + 440:
        return WINDOW
    slot = int((y - _TOP) // _SLOT_HEIGHT)
    if _SLOTS_LEFT <= x <= _SLOTS_LEFT + _SLOTS_WIDTH and 0 <= slot < WINDOW and fits(state, params, slot):
        return slot
    return None


def _color(job):
    return _COLORS[job % len(_COLORS)]


def _draw_resource(state, params, canvas, r, top, height):
    """Draw the running jobs as blocks: as long as they have left, as high as what they need."""
    capacity, step, time = int(params.capacity[r]), _PLOT_WIDTH / HORIZON, int(state.time)
    unit = height / capacity
    canvas.rect(_LEFT, top, _PLOT_WIDTH, height, PANEL)
    for ahead in range(0, HORIZON + 1, 5):
        x = _LEFT + ahead * step
        canvas.line([(x, top), (x, top + height)], mix(PANEL, LINE, 0.6), 1)
        if r == int(num_resources(params)) - 1:
            canvas.text("now" if ahead == 0 else f"+{ahead}", x, top + height + 13, 15, MUTED, "center")
    running = []
    for job in range(int(state.num_jobs)):
        left = int(state.start[job]) + int(state.duration[job]) - time
        if int(state.start[job]) != WAITING and left > 0:
            running.append((-left, job))
    floor = top + height
    for left, job in sorted(running):  # the longest at the bottom: no gaps
        size = int(state.demand[job, r]) * unit
        length = min(-left, HORIZON) * step
        floor -= size
        canvas.rect(_LEFT, floor, length, size, BACKGROUND)
        canvas.rect(_LEFT + 1, floor + 1, length - 2, max(1.0, size - 2), _color(job), 3)
        if size > 15:
            canvas.text(str(job + 1), _LEFT + 7, floor + size / 2, min(16, size - 2), BACKGROUND)
    canvas.line([(_LEFT, top), (_LEFT + _PLOT_WIDTH, top)], LINE, 1.5)
    canvas.text(str(capacity), _LEFT - 8, top + 5, 15, MUTED, "right")
    canvas.text("0", _LEFT - 8, top + height - 5, 15, MUTED, "right")
    canvas.text(f"resource {r + 1}: {int(state.free[r])} of {capacity} units free", _LEFT, top - 11, 15, MUTED)


def _draw_slot(state, params, canvas, slot):
    y, job = _TOP + slot * _SLOT_HEIGHT, int(state.window[slot])
    can_start = bool(fits(state, params, slot))
    middle = y + _SLOT_HEIGHT / 2 - 2
    canvas.rect(_SLOTS_LEFT - 8, y, _SLOTS_WIDTH + 16, _SLOT_HEIGHT - 4, CARD if can_start else PANEL, 5)
    if can_start:
        canvas.rect(_SLOTS_LEFT - 8, y, 4, _SLOT_HEIGHT - 4, GREEN, 2)
    canvas.text(str(slot + 1), _SLOTS_LEFT + 8, middle, 16, TEXT if can_start else MUTED, "center")
    if job == NO_JOB:
        return
    count, color = int(num_resources(params)), _color(job)
    color = color if can_start else mix(PANEL, color, 0.55)
    bar = 24.0 / count
    for r in range(count):
        share = int(state.demand[job, r]) / int(params.capacity[r])
        top = y + 4.5 + r * bar
        canvas.rect(_SLOTS_LEFT + 40, top, 130, bar - 2, mix(PANEL, LINE, 0.35), 2)
        canvas.rect(_SLOTS_LEFT + 40, top, max(2.0, 130 * share), bar - 2, color, 2)
    duration = int(state.duration[job])
    length = 110.0 * min(duration, HORIZON) / HORIZON
    canvas.rect(_SLOTS_LEFT + 190, middle - 7, length, 14, color, 3)
    canvas.text(str(duration), _SLOTS_LEFT + 196 + length, middle, 16, TEXT if can_start else MUTED)
    waited = int(state.time) - int(state.arrival[job])
    canvas.text(str(waited), _SLOTS_LEFT + _SLOTS_WIDTH - 4, middle, 16, TEXT if can_start else MUTED, "right")


def _draw_backlog(state, canvas):
    """Draw the jobs behind the window as dots, small for short ones."""
    backlog = range(int(state.next_job), int(state.num_jobs))
    y = _TOP + WINDOW * _SLOT_HEIGHT + 16
    canvas.text(f"backlog: {len(backlog)}", _SLOTS_LEFT, y, 17, TEXT if backlog else MUTED)
    for k, job in enumerate(backlog[:84]):
        x = _SLOTS_LEFT + 6 + (k % 28) * 13.2
        radius = 2.6 if int(state.duration[job]) <= 5 else 5.0
        canvas.disc(x, y + 20 + (k // 28) * 13, radius, _color(job))


def _draw_figures(state, params, canvas):
    num_jobs, time = int(state.num_jobs), int(state.time)
    total = sum(float(slowdown(state, job)) for job in range(num_jobs))
    figures = (
        f"{int(state.num_finished)} of {num_jobs} jobs finished",
        f"slowdown so far {total / max(1, num_jobs):.2f}",
        f"in use {100 * float(state.used) / max(1, time):.0f} %",
    )
    for figure, x in zip(figures, (_LEFT, _LEFT + 190, _LEFT + 370), strict=True):
        canvas.text(figure, x, _FIGURES + 16, 17, MUTED)
