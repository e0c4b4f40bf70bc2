# SPDX-License-Identifier: Apache-2.0
"""What a soak's samples say: whether memory grows, whether jobs get slower, what was not kept."""

import itertools
from dataclasses import dataclass, field

import numpy as np

CYCLE = 50
SETTLED = 500  # jobs after which nothing may grow any more
# MB per 1,000 jobs: four pages in 4,500. Fewer, touched early, would count as a certain slope.
_A_FEW_PAGES = 0.004
_MOST_ALIKE = 0.97  # of neighbours' residuals; nearer to 1 no slope could ever be told


@dataclass(frozen=True)
class Sample:
    """What the system told of the worker and of this process after a job."""

    jobs: int
    resident_mb: float
    own_mb: float  # of it; the rest are pages of files
    descriptors: int
    threads: int
    own_descriptors: int
    own_threads: int
    blocks: int
    temporary_files: int


@dataclass
class Soak:
    """What came out of one run."""

    samples: list[Sample] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    control_seconds: list[float] = field(default_factory=list)  # after each mixture
    hashes: dict[str, set[str]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)


def slope(
    samples: list[Sample], after: int = SETTLED, name: str = "own_mb"
) -> tuple[float, float, float]:
    """Growth of memory in MB per 1,000 jobs, its standard error, degrees of freedom.

    Least squares; what is left over is taken for a series of which each value keeps a share of the
    one before. From pages that were touched once and stay, that share comes near 1, and the error
    of a slope is then many times that of as many samples by chance. The share as estimated is too
    small in a short series and is corrected (Kendall 1954); the error is that of Andrews & Monahan
    1992, without their second step.
    """
    late = [one for one in samples if one.jobs > after]
    if len(late) < 10:
        return float("nan"), float("nan"), float("nan")
    jobs = np.array([one.jobs / 1000 for one in late])
    memory = np.array([getattr(one, name) for one in late])
    jobs, memory = jobs - jobs.mean(), memory - memory.mean()
    growth = (jobs @ memory) / (jobs @ jobs)
    rest = memory - growth * jobs
    share = (rest[1:] @ rest[:-1]) / (rest @ rest) if rest.any() else 0.0
    share = min(max(share + (1 + 3 * share) / len(rest), 0.0), _MOST_ALIKE)
    fresh = rest[1:] - share * rest[:-1]
    variance = (fresh @ fresh) / (len(rest) - 3) / (1 - share) ** 2
    freedom = max(len(rest) * (1 - share) / (1 + share) - 2, 1.0)
    return float(growth), float(np.sqrt(variance / (jobs @ jobs))), float(freedom)


def growth_by_thousand(samples: list[Sample]) -> list[float]:
    """MB that were added from each thousand jobs to the next, by their middle values."""
    thousands: dict[int, list[float]] = {}
    for one in samples:
        thousands.setdefault((one.jobs - 1) // 1000, []).append(one.own_mb)
    middle = [float(np.median(values)) for _, values in sorted(thousands.items())]
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(middle)]


def certain(freedom: float) -> float:
    """Standard errors from zero beyond which 95 % certainty lies: Student's t, by its series."""
    z = 1.96
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def last_over_first(seconds: list[float], mixture: int = CYCLE) -> float:
    """Time of the last 500 jobs by that of the first 500; the first mixture loads the model."""
    settled = seconds[mixture:]
    edge = min(10 * mixture, len(settled) // 2)
    return sum(settled[-edge:]) / sum(settled[:edge]) if edge else float("nan")


def figures(found: Soak) -> dict:
    """The run in numbers, with a verdict on each promise."""
    growth, error, freedom = slope(found.samples)
    total, total_error, _ = slope(found.samples, name="resident_mb")
    late = [one for one in found.samples if one.jobs > SETTLED] or found.samples
    counted = ("descriptors", "threads", "own_descriptors", "own_threads", "blocks")
    ranges = {name: sorted({getattr(one, name) for one in late}) for name in counted}
    ratios = {
        name: round(last_over_first(values), 3)
        for name, values in (("wall", found.seconds), ("cpu", found.cpu_seconds))
    }
    ratios["control"] = round(last_over_first(found.control_seconds, mixture=1), 3)
    return {
        "jobs": len(found.seconds),
        "outcomes": found.outcomes,
        "surprises": found.surprises[:20],
        "own_mb_per_1000_jobs": round(growth, 4),
        "standard_error": round(error, 4),
        "standard_errors_that_count": round(certain(freedom), 2),
        "own_mb_last": found.samples[-1].own_mb,
        "own_mb_more_by_thousand_jobs": growth_by_thousand(found.samples),
        "resident_mb_per_1000_jobs": round(total, 4),
        "standard_error_of_resident": round(total_error, 4),
        "resident_mb_last": found.samples[-1].resident_mb,
        "ranges_after_settling": ranges,
        "seconds_per_job": round(sum(found.seconds) / len(found.seconds), 4),
        "last_500_over_first_500": ratios,
        "different_results_of_the_same_job": {k: len(v) for k, v in found.hashes.items()},
    }


def broken(report: dict) -> list[str]:
    """The promises that a run did not keep, in words."""
    found = list(report["surprises"])
    growth, error = report["own_mb_per_1000_jobs"], report["standard_error"]
    if growth > max(_A_FEW_PAGES, report["standard_errors_that_count"] * error):
        found.append(f"memory grows by {growth} MB per 1,000 jobs, give or take {error}")
    for name, values in report["ranges_after_settling"].items():
        if len(values) > 1:
            found.append(f"{name} went from {values[0]} to {values[-1]}")
    ratios = report["last_500_over_first_500"]
    slower = ratios["cpu"] / ratios["control"]
    if slower > 1.1:
        found.append(f"the last 500 jobs took {slower:.2f} x as long, measured by the control")
    for job, results in report["different_results_of_the_same_job"].items():
        if results > 1:
            found.append(f"{job} gave {results} different results")
    return found
