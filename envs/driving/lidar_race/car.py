"""The car: a single-track model, kinematic below `switch_speed` and dynamic above it.

Equations: M. Althoff, M. Koschi, S. Manzinger, "CommonRoad: Composable benchmarks for motion planning on roads", IV
2017, with its "Vehicle models" documentation: the kinematic single-track model about the centre of mass, and the
single-track model with linear tyres and load transfer by acceleration. What differs:

1. A tyre's side force ends at the friction circle. There the linear model would go on growing, so that a car could
   take any bend. An axle takes its share of the acceleration by its load, so that μ·load·sqrt(1 − (a / μg)²) is left
   for its side force. Below that the equations are the paper's.
2. The switch is at 0.5 m/s and not at 0.1: below, the dynamic model is too stiff for steps of 6 ms.
3. Below the switch, slip and yaw rate follow from steering and speed at once; so nothing is left to drift at rest.
"""

import math

from rlkit.engine.jit import jit

GRAVITY = 9.81  # m/s²
SUBSTEPS = 8  # of a step of 50 ms: 6.25 ms, a quarter of what a light car's tyres need to settle at the switch


@jit
def clip(value, low, high):
    """Return the value in [low, high] that is nearest."""
    return min(max(value, low), high)


@jit
def possible_acceleration(acceleration, speed, seconds, params):
    """Return the acceleration (m/s²) nearest to the wanted one that motor, tyres and the speed's bounds allow."""
    most = min(float(params.max_acceleration), float(params.friction) * GRAVITY)
    motor = most
    if speed > float(params.motor_speed):  # from there on the motor's power is the limit
        motor = most * float(params.motor_speed) / speed
    allowed = clip(acceleration, -most, motor)
    return clip(allowed, -speed / seconds, (float(params.max_speed) - speed) / seconds)


@jit
def kinematic_motion(speed, steering, params):
    """Return (slip, yaw rate) of a car whose wheels roll without slipping, about its centre of mass."""
    front, rear = float(params.front_length), float(params.rear_length)
    turn = math.tan(steering) / (front + rear)
    slip = math.atan(rear * turn)
    return slip, speed * math.cos(slip) * turn


@jit
def tyre_motion(speed, steering, slip, yaw_rate, acceleration, params):
    """Return the rates of (slip, yaw rate) under the side forces of two axles."""
    front, rear = float(params.front_length), float(params.rear_length)
    mass, friction, height = float(params.mass), float(params.friction), float(params.height)
    per_length = mass / (front + rear)
    front_grip = friction * per_length * (GRAVITY * rear - acceleration * height)  # N, μ × load
    rear_grip = friction * per_length * (GRAVITY * front + acceleration * height)
    used = acceleration / (friction * GRAVITY)
    left = math.sqrt(max(0.0, 1.0 - used * used))  # of the friction circle, for side forces
    front_angle = steering - slip - front * yaw_rate / speed
    rear_angle = rear * yaw_rate / speed - slip
    front_force = front_grip * clip(float(params.front_stiffness) * front_angle, -left, left)
    rear_force = rear_grip * clip(float(params.rear_stiffness) * rear_angle, -left, left)
    slip_rate = (front_force + rear_force) / (mass * speed) - yaw_rate
    return slip_rate, (front * front_force - rear * rear_force) / float(params.inertia)


@jit
def roll(state, params, seconds, steering_rate, acceleration):
    """Move the car by one substep of the kinematic model (midpoint rule)."""
    speed, steering = float(state.speed), float(state.steering)
    middle_speed = speed + 0.5 * seconds * acceleration
    slip, yaw_rate = kinematic_motion(middle_speed, steering + 0.5 * seconds * steering_rate, params)
    course = float(state.heading) + 0.5 * seconds * yaw_rate + slip
    state.x = float(state.x) + seconds * middle_speed * math.cos(course)
    state.y = float(state.y) + seconds * middle_speed * math.sin(course)
    state.heading = float(state.heading) + seconds * yaw_rate
    speed, steering = speed + seconds * acceleration, steering + seconds * steering_rate
    state.slip, state.yaw_rate = kinematic_motion(speed, steering, params)
    state.speed, state.steering = speed, steering


@jit
def slide(state, params, seconds, steering_rate, acceleration):
    """Move the car by one substep of the dynamic model (Runge and Kutta's rule of fourth order)."""
    speed, steering = float(state.speed), float(state.steering)
    heading, slip, yaw_rate = float(state.heading), float(state.slip), float(state.yaw_rate)
    sum_x, sum_y, sum_heading, sum_slip, sum_yaw = 0.0, 0.0, 0.0, 0.0, 0.0
    rate_slip, rate_yaw, stage_yaw = 0.0, 0.0, 0.0
    for stage in range(4):
        part = 0.0 if stage == 0 else (1.0 if stage == 3 else 0.5)
        weight = 1.0 if stage == 0 or stage == 3 else 2.0
        time = part * seconds
        stage_heading = heading + time * stage_yaw
        stage_slip, stage_yaw = slip + time * rate_slip, yaw_rate + time * rate_yaw
        stage_speed = speed + time * acceleration
        rate_slip, rate_yaw = tyre_motion(
            stage_speed, steering + time * steering_rate, stage_slip, stage_yaw, acceleration, params
        )
        sum_x += weight * stage_speed * math.cos(stage_heading + stage_slip)
        sum_y += weight * stage_speed * math.sin(stage_heading + stage_slip)
        sum_heading += weight * stage_yaw
        sum_slip += weight * rate_slip
        sum_yaw += weight * rate_yaw
    sixth = seconds / 6.0
    state.x = float(state.x) + sixth * sum_x
    state.y = float(state.y) + sixth * sum_y
    state.heading = heading + sixth * sum_heading
    state.slip = slip + sixth * sum_slip
    state.yaw_rate = yaw_rate + sixth * sum_yaw
    state.speed, state.steering = speed + seconds * acceleration, steering + seconds * steering_rate


@jit
def drive(state, params, steering_rate, acceleration):
    """Move the car by one step under a wanted steering rate (rad/s) and acceleration (m/s²)."""
    seconds = float(params.step_seconds) / SUBSTEPS
    most = float(params.max_steering)
    for _ in range(SUBSTEPS):
        steering, speed = float(state.steering), float(state.speed)
        rate = clip(steering_rate, (-most - steering) / seconds, (most - steering) / seconds)
        gain = possible_acceleration(acceleration, speed, seconds, params)
        if min(speed, speed + seconds * gain) < float(params.switch_speed):
            roll(state, params, seconds, rate, gain)
        else:
            slide(state, params, seconds, rate, gain)
