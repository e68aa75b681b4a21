"""Reads a price series from a file: `--level FILE.csv`, or `ENVIRONMENT.params(level="prices.csv")`.

The file has a header with a column `price` (currency units a kWh; negative prices are fine) and, if you like, a column
`pv` (kW of your panels); other columns, such as a time stamp, are skipped. One line an hour, from a midnight on, whole
days: 24 to 8,784 lines.

    time,price,pv
    2026-06-01 00:00,0.081,0
    2026-06-01 01:00,0.074,0

Each episode takes `num_days` days from a random midnight of the series. The agent sees expected prices from a fit to
the series: their mean, the mean shape of a day, and how fast deviations from it fade. The dynamic program of the
yardstick takes the same fit for the truth; the linear program knows the series itself.
"""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from envs.own_files import read_text


def read_series(name: str) -> dict[str, Any]:
    """Return the params of the series in the file `name`.

    Raises:
        ValueError: there is no such file, or it is not a series; says in which line and field.
    """
    path = Path(name)
    if path.suffix.lower() != ".csv":
        raise ValueError(
            f"battery has no level {name!r}; there are: standard, easy, hard, and the path of a .csv file of prices"
        )
    columns = _columns(name, read_text(name, "the series "))
    price, sun = np.array(columns["price"]), np.array(columns.get("pv", []))
    _check_length(name, len(price))
    return _params(name, price, sun)


def _columns(name: str, text: str) -> dict[str, list[float]]:
    lines = csv.reader(text.splitlines())
    header = [cell.strip().lower() for cell in next(lines, [])]
    if header.count("price") != 1 or header.count("pv") > 1:
        raise ValueError(f"{name}, line 1: the header must name one column price, not {','.join(header) or 'be empty'}")
    places = {field: header.index(field) for field in ("price", "pv") if field in header}
    columns: dict[str, list[float]] = {field: [] for field in places}
    for row in lines:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise ValueError(
                f"{name}, line {lines.line_num}: {len(row)} fields under a header of {len(header)}; give one for each"
            )
        for field, place in places.items():
            columns[field].append(_number(f"{name}, line {lines.line_num}", field, row[place]))
    return columns


def _number(where: str, field: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e6 or (field == "pv" and value < 0):
        kind = "a number of kW, 0 or more" if field == "pv" else "a number of currency units a kWh"
        raise ValueError(f"{where}: {field} {text.strip()!r} must be {kind}")
    return value


def _check_length(name: str, hours: int) -> None:
    from envs.allocation.battery.rules import MAX_SERIES

    if hours % 24 or not 24 <= hours <= MAX_SERIES:
        raise ValueError(f"{name} has {hours} hours; give whole days, 24 to {MAX_SERIES} lines")


def _params(name: str, price: np.ndarray, sun: np.ndarray) -> dict[str, Any]:
    """Return the series with the fit that the agent sees."""
    from envs.allocation.battery.rules import MAX_SERIES, PARAMS

    mean = float(np.abs(price).mean())
    if mean == 0:
        raise ValueError(f"{name}: every price is 0; give prices that differ")
    days = price.reshape(-1, 24) / mean
    shape = days.mean(axis=0)
    deviation = (days - shape).ravel()
    spread = float(deviation.std())
    rho = float(np.corrcoef(deviation[:-1], deviation[1:])[0, 1]) if spread > 1e-9 else 0.0
    rho = min(max(rho, 0.0), 0.99)
    series = {"series_price": np.zeros(MAX_SERIES), "series_sun": np.zeros(MAX_SERIES)}
    series["series_price"][: len(price)] = price
    series["series_sun"][: len(sun)] = sun
    return series | {
        "series_hours": len(price),
        "num_days": min(int(PARAMS["num_days"][0]), len(price) // 24),
        "price_mean": mean,
        "price_shape": shape,
        "price_rho": rho,
        "price_sigma": max(1e-3, spread * math.sqrt(1 - rho * rho)),
        "spike_chance": 0.0,
        "sun_peak": float(sun.max()) if len(sun) else 0.0,
        "sun_shape": _sun_shape(sun),
    }


def _sun_shape(sun: np.ndarray) -> np.ndarray:
    """Return the clear sky's share of the peak by hour: the largest seen."""
    if not len(sun) or sun.max() <= 0:
        return np.zeros(24)
    return sun.reshape(-1, 24).max(axis=0) / sun.max()
