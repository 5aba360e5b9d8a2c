"""The sentence that a report opens with."""

import numpy as np
import pytest
from numpy.typing import NDArray

from infomax.evaluation.comparison import Comparison, RunScores
from infomax.evaluation.conclusion import conclusion
from infomax.evaluation.evaluate import Evaluation
from infomax.evaluation.labels import LabelSplit
from infomax.evaluation.scores import FeatureScores, Predictions
from infomax.evaluation.splits import Split
from infomax.training.learning_log import LearningLog

N = 1000


def scores(knn: float, linear: float) -> FeatureScores:
    def predictions(rate: float, shift: int) -> Predictions:
        correct = np.roll(np.arange(N) < rate * N, shift)
        return Predictions(np.where(correct, 0, 1), correct)

    majority = {(20, "cosine", "majority"): predictions(knn, 0)}
    return FeatureScores(8, 20, majority, {"linear": predictions(linear, 3)}, {}, {})  # type: ignore[arg-type]


def run(name: str, knn: float, linear: float, seconds: float | None) -> RunScores:
    zeros = np.zeros((1, 1), np.int64)
    split = LabelSplit(["a", "b"], np.zeros(N, np.int64), np.zeros(N, np.int64))
    evaluation = Evaluation(N, N, 8, {"effective_rank": 1.0, "spread": 1.0}, split, scores(knn, linear))
    blank: NDArray[np.uint8] = np.zeros((1, 4, 4, 3), np.uint8)
    learning = LearningLog(seconds, [])
    return RunScores(name, {}, evaluation, learning, 1, zeros, blank, blank[:, None], np.zeros((1, 2)))


def comparison(*runs: RunScores, pixels: float = 0.321) -> Comparison:
    rows, nothing = np.arange(N), np.zeros(N, np.bool_)
    split = Split(rows, rows, False, nothing)
    blank = np.zeros((1, 4, 4, 3), np.uint8)
    zero = np.zeros(1, np.int64)
    return Comparison([*runs], "train", "test", split, ["a"], ["a"], zero, blank, zero, scores(pixels, 0.3))


CASES: dict[str, tuple[list[tuple[str, float, float, float | None]], float, str]] = {
    "one is better": (
        [("RUN-seed", 0.216, 0.3, 11.2), ("RUN-fast", 0.598, 0.6, 62.4)],
        0.321,
        "RUN-fast is better: 59.8 against 21.6 % (kNN), and took 62 s to learn against 11. Raw pixels: 32.1 %.",
    ),
    "no time in a log": (
        [("A", 0.216, 0.3, None), ("B", 0.598, 0.6, 62.4)],
        0.321,
        "B is better: 59.8 against 21.6 % (kNN). Raw pixels: 32.1 %.",
    ),
    "the linear classifier says otherwise": (
        [("A", 0.6, 0.3, None), ("B", 0.5, 0.7, None)],
        0.321,
        "A is better: 60.0 against 50.0 % (kNN). By the linear classifier, B is better: 70.0 against 30.0 %. "
        "Raw pixels: 32.1 %.",
    ),
    "one alone": ([("A", 0.6, 0.3, 9.9)], 0.321, "A: 60.0 % (kNN), learned in 10 s. Raw pixels: 32.1 %."),
    "not better than pixels": (
        [("A", 0.32, 0.3, None)],
        0.322,
        "A: 32.0 % (kNN). Raw pixels, without any learning: 32.2 %; A is not better than that.",
    ),
    "three": (
        [("A", 0.2, 0.3, None), ("B", 0.6, 0.6, None), ("C", 0.5, 0.5, None)],
        0.321,
        "B is best: 60.0 against 50.0 % (kNN), next C. Raw pixels: 32.1 %.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_better_run_is_named_with_both_rates(case: str) -> None:
    runs, pixels, said = CASES[case]
    assert conclusion(comparison(*(run(*each) for each in runs), pixels=pixels)) == said


def test_a_difference_within_its_interval_cannot_be_told() -> None:
    said = conclusion(comparison(run("A", 0.6, 0.5, 5.0), run("B", 0.598, 0.5, 9.0)))
    assert said.startswith("No difference that can be told: A and B have 60.0 against 59.8 % (kNN), ")
    assert "better" not in said
