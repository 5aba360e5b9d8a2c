"""References: every paper that is cited has its entry, and every entry is cited."""

import calendar
import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIBLIOGRAPHY = (ROOT / "docs/references.bib").read_text("utf-8")
ENTRIES = dict(re.findall(r"(?ms)^@\w+\{([^,]+),(.*?)^\}", BIBLIOGRAPHY))

CITING = [
    ROOT / "README.md",
    *(path for folder in ("src", "docs", "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*.ipynb")),
]
ARXIV = r"(\d{4}\.\d{4,5}|[a-z-]+/\d{7})"
AUTHOR = r"\b([A-Z][a-zé-]+)(?: et al\.|(?:, [A-Z][\w-]+)*,? (?:&|and) [A-Z][\w-]+)?(?:'s)?,? [(\[]*((?:19|20)\d\d)\b"
MONTHS = tuple(calendar.month_name)


def folded(text: str) -> str:
    """Letters without accents, in lower case, of plain text and of BibTeX."""
    text = re.sub(r"\{?\\[\"'`^~.]\{?(\w)\}*", r"\1", text)
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return letters.replace("stoegbauer", "stogbauer")


def cited() -> dict[str, set[str]]:
    """What each file cites: identifiers of arXiv, and authors with years."""
    found: dict[str, set[str]] = {}
    for path in CITING:
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8")
        works = re.findall(rf"arxiv\.org/abs/{ARXIV}|arXiv[: ]+{ARXIV}", text)
        authors = [f"{name} {year}" for name, year in re.findall(AUTHOR, text) if name not in MONTHS]
        for work in [*("".join(pair) for pair in works), *authors]:
            found.setdefault(work, set()).add(path.relative_to(ROOT).as_posix())
    return found


def matches(work: str, key: str) -> bool:
    """Whether an entry is the work: by its identifier, or by an author and the year, which the key has, too."""
    name, _, year = work.partition(" ")
    entry = folded(ENTRIES[key])
    return work in ENTRIES[key] if not year else folded(name) in entry and year in key + ENTRIES[key]


CITED = cited()


def test_what_is_cited_has_an_entry() -> None:
    assert len(CITED) > 80
    assert {work: files for work, files in CITED.items() if not any(matches(work, key) for key in ENTRIES)} == {}


def test_every_entry_is_cited() -> None:
    assert [key for key in ENTRIES if not any(matches(work, key) for work in CITED)] == []


def test_keys_are_author_year_and_word() -> None:
    assert len(ENTRIES) == BIBLIOGRAPHY.count("\n@") > 60
    for key, entry in ENTRIES.items():
        author, year = re.fullmatch(r"([a-z]+)((?:19|20)\d\d)[a-z0-9]+", key).groups()  # type: ignore[union-attr]
        first = re.search(r"author\s*=\s*\{([^,]+?)(?:,| and|\}$)", entry, re.M)
        assert first, key
        assert folded(re.sub(r"\W", "", folded(first[1]))).endswith(author), key
        assert re.search(r"year\s*=\s*\{", entry), key
        assert re.search(r"title\s*=", entry), (key, year)
