"""Links to the glossary: on each page, the first use of each of its terms leads to the entry.

A term is a heading of docs/glossary.md: `### nat` is the entry of "nat" and "nats". What an entry calls its term
otherwise stands after a comma: `### kNN, nearest neighbors`. Words that mean something else elsewhere are not linked.
MkDocs calls `on_page_content`.
"""

import re
from functools import cache
from pathlib import Path

from markdown.extensions.toc import slugify
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

GLOSSARY = Path(__file__).resolve().parents[1] / "glossary.md"
EVERYDAY = {"cluster", "code", "collection", "index", "linear", "negative", "positive", "prior", "view"}
"""Terms that are also words of everyday English or of programming."""

UNLINKED = {"a", "button", "code", "h1", "h2", "h3", "h4", "h5", "h6", "kbd", "pre", "script", "style", "svg"}
"""Elements within which a link is not possible, or disturbs."""

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@cache
def terms() -> dict[str, str]:
    """Every spelling of every term that is linked, and the anchor of its entry."""
    headings = re.findall(r"(?m)^### (.+)$", GLOSSARY.read_text("utf-8"))
    return {
        name.strip(): slugify(heading, "-")
        for heading in headings
        for name in heading.split(",")
        if name.strip() not in EVERYDAY
    }


@cache
def _pattern() -> re.Pattern[str]:
    """Any term, one or several. Those of capitals, such as RUN, only as they are written."""
    spellings = sorted(terms(), key=len, reverse=True)
    either = "|".join(re.escape(each) if each.isupper() else f"(?i:{re.escape(each)})" for each in spellings)
    return re.compile(rf"(?<![\w-])({either})(?:e?s)?(?![\w-])")


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Link the first use of each term."""
    if page.file.src_uri == GLOSSARY.name:
        return html
    return linked(html, get_relative_url("glossary/", page.url))


def linked(html: str, glossary: str) -> str:
    """HTML in which the first use of each term in plain text leads to its entry below the address `glossary`."""
    anchors = {name.lower(): anchor for name, anchor in terms().items()}
    seen: set[str] = set()

    def link(match: re.Match[str]) -> str:
        anchor = anchors[match.group(1).lower()]
        if anchor in seen:
            return match.group(0)
        seen.add(anchor)
        return f'<a class="term" href="{glossary}#{anchor}">{match.group(0)}</a>'

    parts = re.split(r"(<[^>]*>)", html)
    within: list[str] = []
    for position, part in enumerate(parts):
        if not part.startswith("<"):
            parts[position] = part if UNLINKED.intersection(within) else _pattern().sub(link, part)
        elif opened := re.match(r"<(\w+)[^>]*[^/]?>$", part):
            if opened.group(1) not in VOID and not part.endswith("/>"):
                within.append(opened.group(1))
        elif closed := re.match(r"</(\w+)", part):
            while within and within.pop() != closed.group(1):
                pass
    return "".join(parts)
