"""What labels are worth: true returns of finished trainings over the number of labels, for every teacher.

    for labels in 50 100 200; do for seed in 0 1 2; do
        rlkit rlhf pendulum --teacher noisy --labels $labels --seed $seed --runs runs/curve
    done; done
    for seed in 0 1 2; do rlkit train pendulum --seed $seed --runs runs/curve; done
    python -m agents.rlhf.curve runs/curve/pendulum

The second kind of runs is PPO on the true reward, which the choices are to replace: its median return is 100 points,
random play's 0. Everything is read from the run folders: settings from config.json, returns from card.json.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.rlhf.report import prepare, save
from rlkit.evaluation import normalized_score
from rlkit.extras import MissingExtraError, import_extra
from rlkit.run import Run, RunError

TRUE_REWARD = "ppo"  # the agent that is compared with


@dataclass(frozen=True)
class Outcome:
    """A finished training: who answered (PPO on the true reward: ""), how many labels, true return, random play's."""

    environment: str
    teacher: str
    labels: int
    seed: int
    mean_return: float
    random_return: float


def read_outcomes(folder: Path) -> list[Outcome]:
    """Return the finished trainings of PPO and of choices between clips anywhere below a folder.

    Raises:
        RunError: a run folder is damaged, or there is none that could be compared.
    """
    found = [_outcome(Run.open(config.parent)) for config in sorted(folder.rglob("config.json"))]
    outcomes = [outcome for outcome in found if outcome is not None]
    names = sorted({outcome.environment for outcome in outcomes})
    if len(names) != 1:
        what = f"runs of several environments ({', '.join(names)})" if names else "no finished runs of rlhf or ppo"
        raise RunError(f"{folder} has {what}; name the folder of one environment, such as runs/pendulum")
    if all(outcome.teacher for outcome in outcomes):
        raise RunError(f"{folder} has no run of PPO on the true reward to compare with: rlkit train {names[0]}")
    return outcomes


def _outcome(run: Run) -> Outcome | None:
    scores = run.read_card().get("scores", {}).get("final")
    if run.agent_name not in ("rlhf", TRUE_REWARD) or scores is None:
        return None
    rows, is_taught = scores["rows"], run.agent_name == "rlhf"
    returns = [float(rows[name]["return"]["mean"]) for name in ("agent", "random")]
    teacher, labels = (run.config["teacher"], int(run.config["labels"])) if is_taught else ("", 0)
    return Outcome(run.environment_name, teacher, labels, run.seed, *returns)


def curves(outcomes: Sequence[Outcome]) -> dict[str, dict[int, list[float]]]:
    """Return points by teacher, the best first by its mean of medians, and by number of labels, ascending.

    0 points are random play, 100 the median of PPO on the true reward.
    """
    top = statistics.median(outcome.mean_return for outcome in outcomes if not outcome.teacher)
    found: dict[str, dict[int, list[float]]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.labels, outcome.seed)):
        points = 100 * normalized_score(outcome.mean_return, outcome.random_return, top)
        found.setdefault(outcome.teacher, {}).setdefault(outcome.labels, []).append(points)

    def mean(teacher: str) -> float:
        return statistics.mean(statistics.median(values) for values in found[teacher].values())

    return {teacher: found[teacher] for teacher in sorted(found, key=lambda teacher: (teacher != "", -mean(teacher)))}


def table(found: Mapping[str, Mapping[int, Sequence[float]]]) -> str:
    """Return `curves` as a Markdown table: medians over seeds [least, most]."""
    counts = _counts(found)
    lines = [["teacher", *(f"{count:,} labels" for count in counts)], ["---"] * (len(counts) + 1)]
    for teacher, by_labels in found.items():
        if teacher:
            lines.append([teacher, *(_cell(by_labels.get(count, ())) for count in counts)])
    lines.append([f"true reward (PPO): {_cell(found[''][0])}", *("" for _ in counts)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _counts(found: Mapping[str, Mapping[int, Sequence[float]]]) -> list[int]:
    """Return the numbers of labels, ascending; PPO on the true reward has none."""
    return sorted({count for by_labels in found.values() for count in by_labels} - {0})


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]" if values else ""


def draw(found: Mapping[str, Mapping[int, Sequence[float]]], title: str, path: Path) -> None:
    """Draw `curves` as a PNG: medians as lines, every seed as a dot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = import_extra("matplotlib.figure", "plots", "the picture needs matplotlib")
    figure = figures.Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, title, "labels", "true return (points)")
    axes.set_xscale("log")
    top = found[""][0]
    axes.axhspan(min(top), max(top), color="0.5", alpha=0.2)
    axes.axhline(statistics.median(top), color="0.3", linestyle="--", label="PPO on the true reward")
    for teacher, by_labels in found.items():
        if not teacher:
            continue
        medians = [statistics.median(values) for values in by_labels.values()]
        (line,) = axes.plot(list(by_labels), medians, "o-", label=teacher)
        for count, values in by_labels.items():
            axes.plot([count] * len(values), values, ".", color=line.get_color(), alpha=0.4)
    counts = _counts(found)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    save(figure, path)


def main(args: list[str]) -> int:
    """Print the table, draw the picture beside the runs; return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m agents.rlhf.curve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of runs of one environment, such as runs/pendulum")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="(FOLDER/labels.png)")
    options = parser.parse_args(args)
    path = options.picture or options.folder / "labels.png"
    try:
        outcomes = read_outcomes(options.folder)
        found = curves(outcomes)
        print(table(found))
        draw(found, f"{outcomes[0].environment}: 0 points = random play, 100 = PPO on the true reward", path)
    except (RunError, MissingExtraError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\npicture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
