"""The environments: Gymnasium id → the module that declares it. Importing this compiles and draws nothing."""

from rlkit.registry import register_with_gymnasium

ENVIRONMENTS = {
    "rlkit/CartPole-v0": "envs.classic.cartpole",
    "rlkit/Pendulum-v0": "envs.classic.pendulum",
    "rlkit/TicTacToe-v0": "envs.board.tic_tac_toe",
    "rlkit/ConnectFour-v0": "envs.board.connect_four",
    "rlkit/Othello-v0": "envs.board.othello",
    "rlkit/Hex-v0": "envs.board.hex",
    "rlkit/Gomoku-v0": "envs.board.gomoku",
    "rlkit/Go-v0": "envs.board.go",
    "rlkit/LostSales-v0": "envs.allocation.lost_sales",
    "rlkit/SupplyChain-v0": "envs.allocation.supply_chain",
    "rlkit/JobShop-v0": "envs.allocation.job_shop",
    "rlkit/ClusterSched-v0": "envs.allocation.cluster_sched",
    "rlkit/Battery-v0": "envs.allocation.battery",
    "rlkit/Quadrotor2D-v0": "envs.robotics.quadrotor_2d",
    "rlkit/Reach2Link-v0": "envs.robotics.reach_2link",
    "rlkit/Reach2LinkMujoco-v0": "envs.robotics.reach_2link_mujoco",
    "rlkit/NavLidar-v1": "envs.robotics.nav_lidar",
    "rlkit/PlanarWalker-v0": "envs.robotics.planar_walker",
    "rlkit/ArmReach-v0": "envs.robotics.arm_reach",
    "rlkit/ArmPush-v0": "envs.robotics.arm_push",
    "rlkit/Highway-v0": "envs.driving.highway",
    "rlkit/LidarRace-v0": "envs.driving.lidar_race",
}

register_with_gymnasium(ENVIRONMENTS)
