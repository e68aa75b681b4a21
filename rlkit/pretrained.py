"""Trained networks that come with rlkit: `agents/pretrained/NAME.safetensors` and its card, `NAME.json`.

A card says how the network was made (environment, agent, settings, seed, command, commit, machine, date), what it
scores, and the SHA-256 of the weights, which is checked before they are used.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rlkit.checkpoint import digest_of
from rlkit.files import RunError, read_bytes, read_json, replace_file

PREFIX = "pretrained:"
_MAX_SIZE = 1 << 28  # bytes of weights


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network, as an agent's `load` takes a run."""

    folder: Path
    name: str
    card: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path, name: str) -> "Pretrained":
        """Read the card of `name` in `folder`.

        Raises:
            RunError: there is none of that name, or its card is damaged.
        """
        names = sorted(path.stem for path in folder.glob("*.json"))
        if name not in names:
            raise RunError(f"there is no pretrained network {name!r}; there are: {', '.join(names) or 'none'}")
        return cls(folder, name, read_json(folder / f"{name}.json"))

    @property
    def environment_name(self) -> str:
        """The environment it was trained on."""
        return str(self.card["environment"])

    @property
    def agent_name(self) -> str:
        """The agent that made it."""
        return str(self.card["agent"])

    @property
    def config(self) -> dict[str, Any]:
        """The agent's settings."""
        return dict(self.card["config"])

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.card["seed"])

    def load(self) -> Any:
        """Return what `Run.load` would: an object with the `tensors` that the agent plays with.

        Raises:
            RunError: the weights are not those of the card.
        """
        import safetensors.torch

        path = self.folder / f"{self.name}.safetensors"
        data = read_bytes(path, _MAX_SIZE)
        if digest_of(data) != self.card["sha256"]:
            raise RunError(f"{path} is damaged: its SHA-256 is not the one on its card; install rlkit again")
        tensors = safetensors.torch.load(data)
        return SimpleNamespace(
            tensors={k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}, facts={}
        )


def save(folder: Path, name: str, tensors: Mapping[str, Any], card: Mapping[str, Any]) -> int:
    """Write weights, in float16, and their card; return the bytes of the weights."""
    import safetensors.torch

    small = {k: t.half().contiguous() if t.is_floating_point() else t.contiguous() for k, t in tensors.items()}
    data = safetensors.torch.save(small)
    replace_file(folder / f"{name}.safetensors", data)
    text = json.dumps({**card, "sha256": digest_of(data)}, indent=1, ensure_ascii=False) + "\n"
    replace_file(folder / f"{name}.json", text.encode())
    return len(data)
