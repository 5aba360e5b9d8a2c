"""infomax outliers, as a user runs it."""

from pathlib import Path

from tests.cli.conftest import document
from tests.conftest import Infomax


def test_outliers_are_ranked(infomax: Infomax, index: Path) -> None:
    odd = infomax("outliers", "--index", index, "-n", 3)
    assert [line.split()[0] for line in odd.stdout.splitlines()] == ["1", "2", "3"]
    odd = document(infomax("outliers", "--index", index, "-n", 3, "-k", 2, "--json", "-").stdout)
    assert [each["rank"] for each in odd["outliers"]] == [1, 2, 3]
