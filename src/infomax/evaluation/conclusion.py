"""The conclusion of a comparison in words: which run is better, if that can be told at all."""

import numpy as np
from jaxtyping import Bool

from infomax.evaluation.comparison import Comparison, RunScores, bootstrap_interval

_MEASURE, _OTHER = "knn_cosine", "linear"


def conclusion(comparison: Comparison, seed: int = 0) -> str:
    """Say which run is better.

    Runs are ranked by kNN with cosine distance; without labels, by how often an altered copy finds its original. A
    difference counts if its 95 % interval over the same test images excludes 0.

    Args:
        comparison: The runs.
        seed: Seed of the bootstrap intervals.

    Returns:
        One to three sentences.

    """
    ranked = sorted(comparison.runs, key=lambda run: -_rate(run))
    sentences = [_ranking(ranked, seed), _by_the_other_measure(ranked, seed), _against_pixels(comparison, ranked[0])]
    return " ".join(each for each in sentences if each)


def _ranking(ranked: list[RunScores], seed: int) -> str:
    """Compare the best run with the next one."""
    best = ranked[0]
    how = "kNN" if best.evaluation.code is not None else "altered copies that find their original"
    if len(ranked) == 1:
        return f"{best.name}: {100 * _rate(best):.1f} % ({how}){_time(best)}."
    second = ranked[1]
    low, high = bootstrap_interval(_outcomes(best).astype(np.int64) - _outcomes(second), seed)
    rates = f"{100 * _rate(best):.1f} against {100 * _rate(second):.1f} % ({how})"
    if low <= 0 <= high:
        interval = f"{_signed(low)} to {_signed(high)} points apart{_rest(ranked)}"
        return f"No difference that can be told: {best.name} and {second.name} have {rates}, {interval}."
    word = "better" if len(ranked) == 2 else "best"
    than = "" if len(ranked) == 2 else f", next {second.name}"
    times = best.learning.seconds, second.learning.seconds
    took = "" if None in times else f", and took {times[0]:.0f} s to learn against {times[1]:.0f}"
    return f"{best.name} is {word}: {rates}{than}{took}."


def _rest(ranked: list[RunScores]) -> str:
    return "" if len(ranked) == 2 else f"; the other {len(ranked) - 2} have less"


def _by_the_other_measure(ranked: list[RunScores], seed: int) -> str:
    """Say so if the linear classifier ranks the two best runs the other way round, or tells them apart."""
    if len(ranked) == 1 or any(run.evaluation.code is None for run in ranked):
        return ""
    linear = [run.evaluation.code.headline.get(_OTHER) for run in ranked[:2] if run.evaluation.code is not None]
    if linear[0] is None or linear[1] is None:
        return ""
    low, _ = bootstrap_interval(linear[1].correct.astype(np.int64) - linear[0].correct, seed)
    if low <= 0:
        return ""
    rates = f"{100 * linear[1].accuracy:.1f} against {100 * linear[0].accuracy:.1f} %"
    return f"By the linear classifier, {ranked[1].name} is better: {rates}."


def _against_pixels(comparison: Comparison, best: RunScores) -> str:
    """Say what raw pixels reach, and that a run is no better where that cannot be told."""
    if best.evaluation.altered is not None:
        document = best.evaluation.altered.to_dict()
        return f"Raw pixels: {100 * document['pixels']['all']:.1f} %."
    if comparison.pixels is None:
        return ""
    pixels = comparison.pixels.headline[_MEASURE]
    low, _ = bootstrap_interval(_outcomes(best).astype(np.int64) - pixels.correct)
    if low > 0:
        return f"Raw pixels: {100 * pixels.accuracy:.1f} %."
    return f"Raw pixels, without any learning: {100 * pixels.accuracy:.1f} %; {best.name} is not better than that."


def _outcomes(run: RunScores) -> Bool[np.ndarray, " n"]:
    """Whether each prediction is correct, or each copy finds its original."""
    code, altered = run.evaluation.code, run.evaluation.altered
    if code is not None:
        return code.headline[_MEASURE].correct
    return np.zeros(1, np.bool_) if altered is None else altered.found


def _rate(run: RunScores) -> float:
    return float(_outcomes(run).mean())


def _time(run: RunScores) -> str:
    return "" if run.learning.seconds is None else f", learned in {run.learning.seconds:.0f} s"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "\N{MINUS SIGN}")
