"""The arm of seven joints that arm_reach and arm_push share: its numbers, and inverse kinematics for their yardsticks.

The hand's tip follows a velocity v by joint speeds from damped least squares, with what is left free drawing the arm
back to its posture: speeds = J⁺ v + (1 − J⁺ J) k (HOME − angles), J⁺ = Jᵀ (J Jᵀ + λ²)⁻¹ (Y. Nakamura, H. Hanafusa,
"Inverse kinematic solutions with singularity robustness for robot manipulator control", 1986).
"""

from pathlib import Path
from typing import Any

import numpy as np

from rlkit.engine.physics import Physics
from rlkit.extras import import_extra

NUM_JOINTS = 7
HOME = np.array([0.0, 0.75, 0.0, 1.6, 0.0, 0.7916, 0.0])  # rad; the hand points straight down
MAX_SPEED = np.array([1.5, 1.5, 1.5, 1.5, 2.0, 2.0, 2.0])  # rad/s at action 1, as in seven_joint_arm.xml

DAMPING = 0.05  # λ of the least squares, m
POSTURE_GAIN = 1.0  # 1/s, back to HOME


def configure(model: Any, params: np.record) -> None:
    """Write the params of the arm into an MjModel."""
    arm = slice(1, 9)  # bodies: shoulder to tip
    model.body_mass[arm] *= float(params.mass_scale)
    model.body_inertia[arm] *= float(params.mass_scale)
    model.dof_damping[:NUM_JOINTS] *= float(params.damping_scale)
    model.actuator_gainprm[:, 0] *= float(params.servo_scale)
    model.actuator_biasprm[:, 2] *= float(params.servo_scale)


CONFIGURED = ("body_mass", "body_inertia", "dof_damping", "actuator_gainprm", "actuator_biasprm")


def arm_physics(folder: Path, num_substeps: int) -> Physics:
    """Return the physics of the arm in the folder's arm.xml."""
    return Physics(folder / "arm.xml", num_substeps, configure, CONFIGURED)


class Kinematics:
    """Where the tip is, and how it moves with the joints, of B arms at once.

    Args:
        physics: of an environment with this arm.
        params: the environment's.
    """

    def __init__(self, physics: Physics, params: np.record):
        self._model = physics.model(params)
        self._tip = self._model.body("tip").id
        self._batches: dict[int, Any] = {}

    def __call__(self, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (tip [B, 3], direction of the hand [B, 3], Jacobian [B, 6, 7] of tip and rotation) at `angles`."""
        count = len(angles)
        if count not in self._batches:
            module = import_extra("mujoco.batch", "mujoco", "an arm moved by MuJoCo needs mujoco-core 4")
            self._batches = {count: module.Batch(self._model, count, 1)}
        batch = self._batches[count]
        places, matrices = batch.bind("xpos"), batch.bind("xmat")  # bound first: they are filled by the call after
        batch.bind("qpos")[:, :NUM_JOINTS] = angles
        batch.forward(stage=1)  # positions
        tips = np.array(places[:, self._tip])
        moving, turning = batch.jac(self._tip, tips)
        directions = matrices[:, self._tip].reshape(count, 3, 3)[:, :, 2]
        return tips, np.array(directions), np.concatenate([moving, turning], axis=1)[:, :, :NUM_JOINTS]


def joint_speeds(jacobian: np.ndarray, velocity: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return the joints' speeds [B, 7] for `velocity` [B, K] of the tip (and the hand), by `jacobian` [B, K, 7]."""
    transposed = jacobian.transpose(0, 2, 1)
    gram = jacobian @ transposed + DAMPING**2 * np.eye(jacobian.shape[1])
    inverse = transposed @ np.linalg.inv(gram)  # [B, 7, K]
    back = POSTURE_GAIN * (HOME - angles)[:, :, None]
    free = back - inverse @ (jacobian @ back)
    return (inverse @ velocity[:, :, None] + free)[:, :, 0]


def as_actions(speeds: np.ndarray) -> np.ndarray:
    """Return joint speeds [B, 7] as actions: where one joint cannot go so fast, all go slower."""
    shares = speeds / MAX_SPEED
    largest = np.maximum(1.0, np.abs(shares).max(axis=1, keepdims=True))
    return (shares / largest).astype(np.float32)
