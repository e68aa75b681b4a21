"""`python -m agents.pretrained RUN`: keep a run's network here, under its environment's name, with a card."""

import sys
from pathlib import Path

from rlkit import pretrained
from rlkit.run import Run


def _command(words: list[str]) -> str:
    """Return the command that made the run, without where it was and where it wrote."""
    place = words.index("--runs") if "--runs" in words else len(words)
    return " ".join(["rlkit", *words[1:place], *words[place + 2 :]])


KEPT = ("average.", "best.")  # the tensors that agents play with

if __name__ == "__main__":
    run = Run.open(sys.argv[1])
    checkpoint, about = run.load(), run.read_card()
    card = {
        "environment": run.environment_name,
        "agent": run.agent_name,
        "seed": run.seed,
        "steps": checkpoint.step,
        "wall_seconds": about["wall_seconds"],
        "command": _command(about["command"]),
        **{key: about[key] for key in ("started", "commit", "versions", "machine")},
        "scores": about["scores"].get("final", {}).get("rows", {}),
        "config": run.config,
    }
    kept = {name: tensor for name, tensor in checkpoint.tensors.items() if name.startswith(KEPT)}
    size = pretrained.save(Path(__file__).parent, run.environment_name, kept, card)
    print(f"{run.environment_name}: {size:,} bytes of weights")
