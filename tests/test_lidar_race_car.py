"""LidarRace's car against closed forms and SciPy."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from envs.driving.lidar_race import ENVIRONMENT, car, rules


def car_state(**fields):
    """Return one state of zeros but for `fields`, and the params."""
    states = np.zeros(1, rules.STATE).view(np.recarray)
    for name, value in fields.items():
        states[name] = value
    return states[0], ENVIRONMENT.params()[0]


def test_slowly_the_car_drives_the_circle_of_its_steering_angle():
    """tan δ = wheelbase / radius of the rear axle's circle."""
    state, params = car_state(speed=0.4, steering=0.3)
    state.slip, state.yaw_rate = car.kinematic_motion(0.4, 0.3, params)
    rear = []
    for _ in range(400):
        car.drive(state, params, 0.0, 0.0)
        x = float(state.x) - params.rear_length * math.cos(state.heading)
        rear.append((x, float(state.y) - params.rear_length * math.sin(state.heading)))
    points = np.array(rear)
    radius = (params.front_length + params.rear_length) / math.tan(0.3)
    fit = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(axis=1), rcond=None)[0]
    assert np.hypot(*(points - fit[:2]).T) == pytest.approx(radius, abs=1e-4)


def textbook(params, acceleration, steering_rate):
    """Return CommonRoad's single-track rates of (x, y, δ, v, ψ, ψ′, β), in the coefficients of its documentation."""
    m, mu, i, h = (float(params[k]) for k in ("mass", "friction", "inertia", "height"))
    lf, lr = float(params["front_length"]), float(params["rear_length"])
    g, a = 9.81, acceleration
    cf = float(params["front_stiffness"]) * (g * lr - a * h)
    cr = float(params["rear_stiffness"]) * (g * lf + a * h)

    def rates(_, state):
        _, _, delta, v, psi, yaw, beta = state
        k = mu * m / (i * (lr + lf))
        yaw_rate = -k / v * (lf**2 * cf + lr**2 * cr) * yaw + k * (lr * cr - lf * cf) * beta + k * lf * cf * delta
        k = mu / (v * (lr + lf))
        slip_rate = (k / v * (cr * lr - cf * lf) - 1) * yaw - k * (cr + cf) * beta + k * cf * delta
        return [v * math.cos(beta + psi), v * math.sin(beta + psi), steering_rate, a, yaw, yaw_rate, slip_rate]

    return rates


@pytest.mark.parametrize(("speed", "acceleration", "steering_rate"), [(2, 1.5, 0.1), (5, -3, -0.05), (0.6, 2, 0.3)])
def test_within_the_friction_circle_the_car_moves_as_scipy_integrates_it(speed, acceleration, steering_rate):
    state, params = car_state(speed=speed, steering=0.02)
    steps = 10
    start = [0, 0, 0.02, speed, 0, 0, 0]
    span = (0, steps * 0.05)
    found = solve_ivp(textbook(params, acceleration, steering_rate), span, start, rtol=1e-10, atol=1e-12).y[:, -1]
    for _ in range(steps):
        car.drive(state, params, steering_rate, acceleration)
    names = ("x", "y", "steering", "speed", "heading", "yaw_rate", "slip")
    np.testing.assert_allclose([float(state[name]) for name in names], found, rtol=2e-4, atol=2e-5)


def test_no_bend_takes_more_than_the_friction_limit():
    """At full lock the steady side acceleration is at most μg: a linear tyre would give three times as much."""
    state, params = car_state(speed=6.0)
    for _ in range(60):
        car.drive(state, params, 1.0, 0.0)
        course_rate = state.yaw_rate + car.tyre_motion(6.0, state.steering, state.slip, state.yaw_rate, 0.0, params)[0]
        assert abs(6.0 * course_rate) <= params.friction * 9.81 * (1 + 1e-9)


@pytest.mark.parametrize("steering", [0.05, 0.15])
@pytest.mark.parametrize("push", [1.0, -1.0])
def test_nothing_jumps_at_the_switch_speed(steering, push):
    """Steady turning on either side of the switch differs by tan δ − δ and what tyres give way only."""
    state, params = car_state(speed=0.5 - 0.15 * push, steering=steering)
    state.slip, state.yaw_rate = car.kinematic_motion(float(state.speed), steering, params)
    yaw = []
    for _ in range(12):
        yaw.append(state.yaw_rate / max(float(state.speed), 1e-3))
        car.drive(state, params, 0.0, push)
    assert min(yaw) > 0.95 * max(yaw)


def test_the_car_stops_and_does_not_reverse():
    state, params = car_state(speed=3.0, steering=0.1)
    for _ in range(30):
        car.drive(state, params, 0.0, -9.51)
    assert state.speed == pytest.approx(0, abs=1e-12)
    assert state.yaw_rate == pytest.approx(0, abs=1e-9)
    assert state.x == pytest.approx(3.0**2 / (2 * 9.51), rel=0.02)


def test_limits_are_kept():
    state, params = car_state(speed=1.0)
    for _ in range(100):
        car.drive(state, params, 3.2, 9.51)
    assert state.steering == pytest.approx(params.max_steering, abs=1e-12)
    assert state.speed == pytest.approx(params.max_speed, abs=1e-12)
