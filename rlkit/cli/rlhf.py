"""`rlkit rlhf`: `rlkit train` with the agent that learns from choices between clips."""

from rlkit.cli import guard, train

ABOUT = """\
Teach an agent what you want by choosing between clips; `rlkit rlhf ENV …` is `rlkit train ENV --agent rlhf …`.

  rlkit rlhf pendulum --teacher noisy --labels 200   a synthetic teacher answers
  rlkit rlhf pendulum --teacher person               you do, while it trains: rlkit label RUN [--web]
  rlkit rlhf pendulum --teacher none --answers FILE  a label file of another run does
"""


def main(args: list[str]) -> int:
    """Run the verb and return the exit code."""
    if args and args[0] in ("--help", "-h"):
        print(ABOUT)
    is_begun = any(arg.startswith("--resume") for arg in args)  # then the run says which agent it is
    return guard(train.main, args if is_begun else [*args, "--agent", "rlhf"])
