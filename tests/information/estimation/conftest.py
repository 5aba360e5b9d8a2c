"""Short trainings, for tests whose truth does not need the network."""

import pytest

from infomax.information.estimation import cross_fit


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 20)
    monkeypatch.setattr(cross_fit, "CHECK_EVERY", 10)


@pytest.fixture
def no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the critics at their closed forms."""
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 2)
    monkeypatch.setattr(cross_fit, "CHECK_EVERY", 10)
