"""What the search of the site lists first: the guides and the glossary, before the pages that go into detail.

MkDocs calls `on_page_markdown`.
"""

from mkdocs.structure.pages import Page

BOOST = {"guides/": 2.0, "start.md": 2.0, "install.md": 2.0, "cite.md": 2.0, "glossary.md": 4.0}
"""Beginning of a page's path -> the factor on its score."""


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Set the factor of a page, as the search plugin of mkdocs-material reads it."""
    for beginning, factor in BOOST.items():
        if page.file.src_uri.startswith(beginning):
            page.meta["search"] = {"boost": factor}
    return markdown
