"""What became of a training from choices between clips: an alarm on the way, and one picture at the end.

The picture stands on the run's metrics.jsonl and on one greedy episode, so it can be drawn anew from a run folder.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlkit.engine.scalar import ScalarEnv
from rlkit.extras import MissingExtraError, import_extra
from rlkit.files import replace_file

if TYPE_CHECKING:
    from agents.rlhf.reward_model import RewardModel

PICTURE = "rlhf.png"  # in the run folder
MAX_STEPS = 2000  # of the episode
_SIZE = (15.0, 8.4)  # inches
_DPI = 100
_LABELS = "labels learned from"
_BLUE, _GREEN, _ORANGE, _RED, _GRAY = "#2f6fde", "#2a9d62", "#e08a1e", "#d43d40", "#8a93a6"

Rows = Sequence[Mapping[str, float]]


# --- while training ---------------------------------------------------------------------------------------------


def warn(run: Any, step: int, figures: Mapping[str, float], session: int, alarmed: int) -> int:
    """Say in a sentence that `figures` hold an alarm, at most once a session of questions.

    Args:
        run: whose texts and progress display get the sentence.
        step: of the training.
        figures: for the log.
        session: number of the session of questions that this is.
        alarmed: number of that in which an alarm was told before; below 0: none.

    Returns:
        The number of the session in which the last alarm was told.
    """
    if not figures.get("rlhf/alarm") or session == alarmed:
        return alarmed
    text = (
        f"alarm at {figures['rlhf/labels']:.0f} labels (step {step:,}): the learned reward rises, but only "
        f"{figures['rlhf/agreement']:.0%} of the newest labels agree with it, fewer than before; the policy may be "
        "exploiting the reward model: watch it, and label more clips"
    )
    _say(run, step, "rlhf/alarm", text)
    return session


def add(run: Any, step: int, environment: Any, policy: Any, model: "RewardModel") -> Path | None:
    """Draw the picture into the run folder and among TensorBoard's images; return its path.

    Without matplotlib, or before the first fit, there is none; the former is said in a sentence.
    """
    if not model.num_fits:
        return None
    try:
        path = draw(run, environment, policy, model)
    except MissingExtraError as error:
        _say(run, step, "rlhf/picture", str(error))
        return None
    run.log_gif(step, "rlhf", _gif_of(path))
    return path


def _say(run: Any, step: int, name: str, text: str) -> None:
    run.log_text(step, name, text)
    if run.progress is not None:
        run.progress.say(text)


def _gif_of(path: Path) -> bytes:
    from PIL import Image

    from rlkit.viewing.recorder import gif_bytes

    with Image.open(path) as image:
        return gif_bytes([np.asarray(image.convert("RGB"))])


# --- what is drawn ----------------------------------------------------------------------------------------------


def read_rows(run: Any) -> list[dict[str, float]]:
    """Return the rows of a run's metrics.jsonl, each with the number of labels there were ("rlhf/labels")."""
    rows, labels = [], 0.0
    for line in (run.folder / "metrics.jsonl").read_text().splitlines():
        row = {name: float(value) for name, value in json.loads(line).items()}
        labels = row.setdefault("rlhf/labels", labels)
        rows.append(row)
    return rows


def play(environment: Any, policy: Any, model: "RewardModel", seed: int, options: Mapping[str, Any]) -> np.ndarray:
    """Play a greedy episode; return its rewards, learned and true [T, 2].

    Args:
        environment: an `Environment` with one player.
        policy: whose most likely actions are taken.
        model: gives the learned rewards.
        seed: of the episode.
        options: of `ScalarEnv`: level and params.
    """
    env = ScalarEnv(environment, flat_obs=True, **options)
    obs, info = env.reset(seed=seed)
    rewards: list[tuple[float, float]] = []
    done = False
    while not done and len(rewards) < MAX_STEPS:
        action = policy.act(obs, info.get("action_mask"))
        learned = float(model.rewards(np.asarray(obs)[None], np.asarray(action)[None])[0])
        obs, reward, terminated, truncated, info = env.step(action)
        rewards.append((learned, float(reward)))
        done = terminated or truncated
    env.close()
    return np.array(rewards)


def anchors(rows: Rows) -> tuple[float, float] | None:
    """Return the returns of random play and of the yardstick's reference, as scores tell them; None: they do not.

    A score is (return − random play's) / (the reference's − random play's): two of them are enough.
    """
    pairs = [(row["eval/score"], row["eval/episode_return"]) for row in rows if "eval/score" in row]
    if not pairs or max(pairs)[0] - min(pairs)[0] < 1e-6:
        return None
    (low_score, low), (high_score, high) = min(pairs), max(pairs)
    slope = (high - low) / (high_score - low_score)
    return low - low_score * slope, low + (1 - low_score) * slope


def draw(run: Any, environment: Any, policy: Any, model: "RewardModel", path: str | Path | None = None) -> Path:
    """Draw how a training went, as one PNG of five panels; return its path.

    Args:
        run: a `rlkit.run.Run` of this agent.
        environment: what it was trained on.
        policy: what came of it.
        model: the reward it was taught.
        path: of the picture; None: `PICTURE` in the run folder.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    what = "there is no picture of labels, learned and true reward, as that needs matplotlib"
    figures = import_extra("matplotlib.figure", "plots", what)
    rows, settings = read_rows(run), run.config
    options = {"level": settings.get("level", "standard"), **settings.get("params", {})}
    rewards = play(environment, policy, model, run.seed, options)
    figure = figures.Figure(figsize=_SIZE, layout="constrained")
    grid = figure.add_gridspec(2, 6)
    _draw_returns(figure.add_subplot(grid[0, :2]), rows, environment)
    _draw_agreement(figure.add_subplot(grid[0, 2:4]), rows)
    _draw_calibration(figure.add_subplot(grid[0, 4:]), rows)
    _draw_disagreement(figure.add_subplot(grid[1, :2]), rows)
    _draw_episode(figure.add_subplot(grid[1, 2:]), rewards)
    last = rows[-1] if rows else {"rlhf/labels": 0, "step": 0}
    figure.suptitle(
        f"{environment.name}: {last['rlhf/labels']:.0f} choices between clips (teacher: "
        f"{settings.get('teacher', '?')}), {last['step']:,.0f} steps, seed {run.seed}",
        fontsize=14,
    )
    target = run.folder / PICTURE if path is None else Path(path)
    save(figure, target)
    return target


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    file = io.BytesIO()
    figure.savefig(file, dpi=_DPI, format="png")
    replace_file(path, file.getvalue())


# --- panels -----------------------------------------------------------------------------------------------------


def _draw_returns(axes: Any, rows: Rows, environment: Any) -> None:
    """Draw the true return against labels: the last evaluation of each number of them, earlier ones pale."""
    name = "eval/episode_return" if any("eval/episode_return" in row for row in rows) else "rollout/episode_return"
    kind = "mean of greedy episodes" if name.startswith("eval/") else "mean while learning"
    prepare(axes, "True return", _LABELS, f"return (reward), {kind}")
    labels, returns = _curve(rows, name)
    if not len(returns) or np.ptp(returns) == 0:
        _say_empty(axes, "always the same" if len(returns) else "no evaluation yet")
        return
    is_last = np.append(labels[1:] != labels[:-1], True)
    axes.plot(
        labels[is_last], returns[is_last], "o-", color=_BLUE, markersize=5, label="policy, last with so many labels"
    )
    if not is_last.all():
        pale = {"color": _BLUE, "alpha": 0.3, "markersize": 4, "label": "the same, earlier"}
        axes.plot(labels[~is_last], returns[~is_last], "o", **pale)
    if known := anchors(rows):
        policies = environment.yardstick.policies if environment.yardstick else {}
        axes.axhline(known[1], color=_GREEN, linestyle="--", label=f"reference: {next(iter(policies), 'yardstick')}")
        axes.axhline(known[0], color=_GRAY, linestyle="--", label="random play")
    _add_legend(axes)


def _draw_agreement(axes: Any, rows: Rows) -> None:
    prepare(axes, "Agreement with labels", _LABELS, "share of labels agreed with (%)")
    axes.set_ylim(-3, 103)
    axes.axhline(50, color=_GRAY, linestyle="--", label="chance")
    held, new = _curve(rows, "rlhf/held_out_accuracy"), _curve(rows, "rlhf/agreement")
    axes.plot(held[0], 100 * held[1], "o-", color=_BLUE, markersize=5, label="held out from a fit")
    axes.plot(
        new[0], 100 * new[1], "o-", color=_ORANGE, alpha=0.8, linewidth=1, markersize=4, label="new, before a fit"
    )
    alarms = [row for row in rows if row.get("rlhf/alarm") and "rlhf/agreement" in row]
    if alarms:
        at, height = (np.array([row[name] for row in alarms]) for name in ("rlhf/labels", "rlhf/agreement"))
        about = f"alarm ({len(alarms)}): learned reward up, agreement down"
        axes.plot(at, 100 * height, "o", color=_RED, fillstyle="none", markersize=11, markeredgewidth=2, label=about)
    if not len(held[0]):
        _say_empty(axes, "no fit yet")
    _add_legend(axes)


def _draw_calibration(axes: Any, rows: Rows) -> None:
    """Draw the last fit's calibration: areas of points are as the labels in them."""
    prepare(axes, "Calibration of the last fit", "predicted chance that left is better (%)", "share of left chosen (%)")
    axes.set(xlim=(-5, 105), ylim=(-5, 105))
    axes.plot([0, 100], [0, 100], color=_GRAY, linestyle="--", label="perfect")
    last = next((row for row in reversed(rows) if "rlhf/calibration_error" in row), None)
    if last is None:
        _say_empty(axes, "no fit yet")
        return
    bins = [k for k in range(10) if f"rlhf/calibration/{k}/count" in last]
    chances, shares, counts = (
        np.array([last[f"rlhf/calibration/{k}/{name}"] for k in bins]) for name in ("chance", "share", "count")
    )
    sizes = 30 + 500 * counts / counts.sum()
    axes.scatter(100 * chances, 100 * shares, sizes, color=_BLUE, alpha=0.7, label="held-out labels (how many)")
    for chance, share, count in zip(chances, shares, counts, strict=True):
        side = 1 if share < 0.5 else -1
        axes.annotate(f"{count:.0f}", (100 * chance, 100 * share), (0, 15 * side), textcoords="offset points",
                      ha="center", va="center", fontsize=9)  # fmt: skip
    axes.plot([], [], " ", label=f"mean error {100 * last['rlhf/calibration_error']:.1f} points")
    _add_legend(axes)


def _draw_disagreement(axes: Any, rows: Rows) -> None:
    prepare(axes, "Disagreement of the ensemble", _LABELS, "deviation between members\n(deviations of the reward)")
    labels, values = _curve(rows, "rlhf/disagreement")
    axes.plot(labels, values, "o-", color=_BLUE, markersize=5)
    axes.set_ylim(bottom=0)
    if not len(labels):
        _say_empty(axes, "no fit yet")


def _draw_episode(axes: Any, rewards: np.ndarray) -> None:
    """Draw learned and true reward [T, 2] along an episode, standardised; true ones that are all equal are left out."""
    from rlkit.viewing.curves import standardised

    title = "One greedy episode: learned reward"
    learned, true = (standardised(column) for column in rewards.T)
    steps = np.arange(1, len(rewards) + 1)
    if true.any():
        axes.plot(steps, true, color=_GREEN, linewidth=1.5, label="true")
        title += " and true reward"
        if learned.any():
            title += f", correlation {np.corrcoef(learned, true)[0, 1]:.2f}"
    else:
        title += f" (the true one is always {rewards[0, 1]:g})"
    axes.plot(steps, learned, color=_BLUE, linewidth=1.5, label="learned")
    prepare(axes, title, "step of the episode", "reward, standardised\n(deviations from its mean)")
    axes.margins(y=0.15)
    axes.legend(loc="upper right", ncols=2, fontsize=9, framealpha=0.8, edgecolor="none")


# --- parts of panels --------------------------------------------------------------------------------------------


def prepare(axes: Any, title: str, across: str, up: str) -> None:
    """Give a panel its title, its axes' names and the look of all of them."""
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (labels there were, values) of the rows that have a finite figure."""
    pairs = [(row["rlhf/labels"], row[name]) for row in rows if np.isfinite(row.get(name, np.nan))]
    labels, values = np.array(pairs).reshape(-1, 2).T
    return labels, values


def _say_empty(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=_GRAY, fontsize=12)


def _add_legend(axes: Any) -> None:
    axes.legend(fontsize=9, frameon=True, framealpha=0.8, edgecolor="none")
