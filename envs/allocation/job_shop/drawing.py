"""Draws the job shop: a Gantt chart, a row a machine and a colour a job, and below the jobs' next needs.

A click on a job that can start starts it; a click on "wait" waits.
"""

import colorsys

from envs.allocation.job_shop.rules import can_start
from rlkit.viewing.canvas import BACKGROUND, CARD, GREEN, LINE, MUTED, PANEL, TEXT, YELLOW, mix

SIZE = (960, 600)
KEYS = {"space": lambda state, params: int(params.num_jobs)}

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 936.0, 64.0, 392.0  # of the chart
_WAIT = (836.0, 418.0, 100.0, 26.0)  # x, y, width, height of the button
_TILES_TOP, _TILES_BOTTOM = 456.0, 588.0


def _action_names(params):
    """Return the jobs' names, and "wait"."""
    return (*(f"job {job}" for job in range(int(params.num_jobs))), "wait")


ACTION_NAMES = _action_names


def draw(state, params, canvas):
    """Draw one state."""
    canvas.fill(BACKGROUND)
    now, bound, first = int(state.now), int(state.bound), int(state.first_bound)
    is_over = _is_over(state, params)
    canvas.text(f"time {now:,}", _LEFT, 24, 26)
    outcome = "makespan" if is_over else "makespan at least"
    canvas.text(f"{outcome} {bound:,}", 250, 24, 26, GREEN if is_over else TEXT)
    goal = f"optimum {int(params.optimum):,}" if int(params.optimum) else f"lower bound at the start {first:,}"
    canvas.text(goal, _RIGHT, 24, 20, MUTED, "right")
    horizon = max(1.0, 1.3 * first, 1.02 * bound)
    _draw_axis(state, params, canvas, horizon)
    for job in range(int(params.num_jobs)):
        _draw_operations(state, params, canvas, horizon, job)
    if not is_over:
        x = _x(now, horizon)
        canvas.line([(x, _TOP - 6), (x, _BOTTOM + 4)], YELLOW, 2)
    _draw_jobs(state, params, canvas)


def action_from_click(state, params, x, y):
    """Return the job whose tile is at a place of the picture, the wait of its button, or None."""
    num_jobs = int(params.num_jobs)
    left, top, width, height = _WAIT
    if left <= x < left + width and top <= y < top + height:
        return num_jobs
    for job in range(num_jobs):
        left, top, width, height = _tile(num_jobs, job)
        if left <= x < left + width and top <= y < top + height:
            return job
    return None


def action_point(state, params, action):
    """Return where a mark for an action belongs: the job's tile, or the button."""
    num_jobs = int(params.num_jobs)
    left, top, width, height = _WAIT if int(action) == num_jobs else _tile(num_jobs, int(action))
    return left + 0.85 * width, top + 0.5 * height


def job_color(job):
    """Return a job's colour; neighbouring numbers get unlike hues."""
    hue, light = (0.58 + 0.381966 * job) % 1.0, 0.95 - 0.2 * (job // 8 % 2)
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55, light)
    return round(255 * red), round(255 * green), round(255 * blue)


def _is_over(state, params):
    return int(state.num_left) == 0 and int(state.now) >= int(state.bound)


def _x(time, horizon):
    return _LEFT + (_RIGHT - _LEFT) * min(time / horizon, 1.0)


def _row(params, machine):
    """Return (top, height) of a machine's row."""
    height = min(52.0, (_BOTTOM - _TOP) / int(params.num_machines))
    return _TOP + machine * height, height


def _draw_axis(state, params, canvas, horizon):
    num_machines = int(params.num_machines)
    for machine in range(num_machines):
        top, height = _row(params, machine)
        canvas.rect(_LEFT, top + 0.06 * height, _RIGHT - _LEFT, 0.88 * height, PANEL)
        works = int(state.machine_free[machine]) > int(state.now)
        size = min(18, 0.95 * height)
        canvas.text(f"M{machine}", _LEFT - 8, top + height / 2, size, TEXT if works else MUTED, "right")
    bottom = sum(_row(params, num_machines - 1))
    step = _nice(horizon / 8)
    for k in range(int(horizon / step) + 1):
        x = _x(k * step, horizon)
        canvas.line([(x, _TOP), (x, bottom)], LINE, 1)
        canvas.text(f"{k * step:,}", x, _TOP - 12, 14, MUTED, "center")


def _nice(value):
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `value`."""
    power = 1
    while 10 * power < value:
        power *= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)


def _draw_operations(state, params, canvas, horizon, job):
    num_machines, color = int(params.num_machines), job_color(job)
    now = int(state.now)
    for k in range(int(state.next_op[job])):
        operation = job * num_machines + k
        start, duration = int(state.starts[operation]), int(state.durations[operation])
        end = start + duration
        top, height = _row(params, int(state.machines[operation]))
        left, right = _x(start, horizon), _x(end, horizon)
        canvas.rect(left, top + 0.1 * height, max(1.0, right - left - 1), 0.8 * height, mix(color, BACKGROUND, 0.55))
        if now > start:
            done = _x(min(now, end), horizon)
            canvas.rect(left, top + 0.1 * height, max(1.0, done - left - 1), 0.8 * height, color)
        size, label = min(17, 0.75 * height), str(job)
        if canvas.text_width(label, size) < right - left - 3:
            is_past = 2 * now >= start + end
            canvas.text(label, (left + right) / 2, top + height / 2, size, BACKGROUND if is_past else TEXT, "center")


def _tile(num_jobs, job):
    """Return (x, y, width, height) of a job's tile."""
    columns = min(num_jobs, 10 if num_jobs <= 20 else 20)
    rows = -(-num_jobs // columns)
    width = min(150.0, (_RIGHT - _LEFT) / columns)
    height = min(66.0, (_TILES_BOTTOM - _TILES_TOP) / rows)
    return _LEFT + job % columns * width, _TILES_TOP + job // columns * height, width - 4, height - 4


def _draw_jobs(state, params, canvas):
    num_jobs = int(params.num_jobs)
    canvas.text("jobs: next machine and duration; framed: can start now", _LEFT, 431, 18, MUTED)
    left, top, width, height = _WAIT
    can_wait = int(state.can_wait) != 0
    canvas.rect(left, top, width, height, CARD, 5)
    canvas.text("wait", left + width / 2, top + height / 2, 18, TEXT if can_wait else LINE, "center")
    if can_wait:
        canvas.rect(left, top, width, height, YELLOW, 5, 2)
    for job in range(num_jobs):
        _draw_tile(state, params, canvas, job)


def _draw_tile(state, params, canvas, job):
    left, top, width, height = _tile(int(params.num_jobs), job)
    num_machines, k = int(params.num_machines), int(state.next_op[job])
    color = job_color(job)
    canvas.rect(left, top, width, height, CARD, 4)
    canvas.rect(left, top + height - 5, width * k / num_machines, 5, color)
    canvas.rect(left, top, 6, height, color)
    is_tall = height > 40
    size = min(18.0, 0.75 * height, 0.3 * width)
    place = left + 13, top + (0.3 if is_tall else 0.45) * height
    canvas.text(f"job {job}" if width > 70 else str(job), *place, size)
    if is_tall:
        canvas.text(_need(state, params, job), left + 13, top + 0.65 * height, 16, MUTED, width=width - 16)
    if can_start(state, params, job):
        canvas.rect(left, top, width, height, YELLOW, 4, 2)


def _need(state, params, job):
    """Return what a job waits for."""
    num_machines, k = int(params.num_machines), int(state.next_op[job])
    runs = int(state.job_free[job]) > int(state.now)
    if k == num_machines:
        return "last runs" if runs else "done"
    operation = job * num_machines + k
    return f"{'then ' if runs else ''}M{int(state.machines[operation])} · {int(state.durations[operation])}"
