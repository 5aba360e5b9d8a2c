"""The progress bar: on stderr, and only where somebody is looking."""

import pytest

from infomax.progress import progress_bar


def test_says_how_far_and_how_fast_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes that for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("training", 100, done=50) as advance:
        advance(25)
        advance(25)
    said = capsys.readouterr()
    assert said.out == ""
    assert "training" in said.err
    assert "100/100" in said.err
    assert "images/s" in said.err


@pytest.mark.parametrize("shown", [True, False])
def test_says_nothing_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: bool
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with progress_bar("training", 10, shown=shown) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), progress_bar("training", 10) as advance:
        advance(1 // 0)
