"""Progress of a long training."""

import pytest

from infomax.evaluation.proxies.training import step_progress


def run(steps: int, *, shown: bool) -> None:
    with step_progress("mine", steps, shown=shown) as after_step:
        for step in range(1, steps + 1):
            after_step(step)


def test_long_training_prints_the_remaining_time(capfd: pytest.CaptureFixture[str]) -> None:
    run(30, shown=True)
    assert capfd.readouterr().err == "infomax: mine takes about a second more\n"
    run(30, shown=False)
    assert capfd.readouterr().err == ""
