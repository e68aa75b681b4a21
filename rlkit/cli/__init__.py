"""The command line. `main` only finds the verb; its module imports what it needs, so that help is instant."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

# Before torch is imported: threads that wait for work spin for some µs only and then sleep, or a second torch thread
# beside any other work on the machine makes everything several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

VERBS = {
    "train": "train an agent on an environment, or go on with a run",
    "rlhf": "train an agent by choices between clips: yours, a synthetic teacher's or a label file's",
    "watch": "watch a run, a classical controller or random play, or record it",
    "play": "play an environment yourself, against a run, a solver or random play",
    "evaluate": "measure a run beside random play and the yardstick, with 95 % intervals",
    "label": "choose between clips, in a window or a browser, for a run that learns from preferences",
    "transfer": "measure a run under params that it was not trained on: nominal, held-out, outside, hidden",
    "arena": "let players meet in a round robin and rate them in Elo, with 95 % intervals",
    "gtp": "let other programs play a run, a solver or a search over the Go Text Protocol",
    "yardstick": "show what an environment is graded against: its optimum or best controller",
    "list": "list the environments, agents and recipes",
    "check": "check that an environment keeps the contract",
    "new": "write a small working environment to start from",
    "bench": "measure speed",
}

HELP = f"""usage: rlkit VERB ...

Write an environment once in plain Python, train on it at C speed, know how good the result is.

verbs:
{chr(10).join(f"  {verb:<10} {text}" for verb, text in VERBS.items())}

  rlkit VERB --help   the arguments of a verb
  rlkit --version     the version

ENV is a name from `rlkit list`, the path of an environment's folder (./my_env), the dotted name of its
module, or any registered Gymnasium id (gymnasium:Acrobot-v1).
RUN is a run folder (runs/cartpole/ppo/20261122-031500-s0).
RLKIT_DEBUG=1 shows the traceback of an error.
"""


def main(args: list[str] | None = None) -> int:
    """Run `rlkit ARGS` and return the exit code; see `guard`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without "→" gets a "?" instead of a crash
    return guard(_dispatch, sys.argv[1:] if args is None else args)


def guard(verb: Callable[[list[str]], int | None], args: list[str]) -> int:
    """Call `verb(args)` and return the exit code; errors become one sentence on standard error.

    0: done. 1: a check failed, or something unexpected. 2: a user's error. 130: Ctrl-C (143: SIGTERM).
    """
    try:
        code = verb(args) or 0
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # argparse has shown its help
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:  # `rlkit list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
        return 141
    except Exception as error:
        if os.environ.get("RLKIT_DEBUG") == "1":
            raise
        from rlkit.cli.errors import explain

        sentence, code = explain(error)
        print(f"rlkit: {sentence}", file=sys.stderr)
        return code


def _dispatch(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if args[0] == "--version":
        from rlkit import __version__

        print(f"rlkit {__version__}")
        return 0
    if args[0] not in VERBS:
        from rlkit.cli.errors import UsageError, nearest

        raise UsageError(f"there is no verb {args[0]!r}{nearest(args[0], VERBS)}; see rlkit --help")
    return import_module(f"rlkit.cli.{args[0]}").main(args[1:]) or 0
