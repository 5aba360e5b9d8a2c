"""What several commands print and write."""

import json
import sys
from pathlib import Path


def write_json(file: str, document: object) -> None:
    """Write one JSON document to a file; `-` is stdout."""
    text = json.dumps(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    from infomax.files import written_atomically

    with written_atomically(Path(file), "w") as out:
        out.write(text)


def tell_skipped(count: int, where: str) -> None:
    """Say on stderr how many broken pictures were left out, and where the reasons are."""
    if count:
        print(f"infomax: skipped {count} broken {'picture' if count == 1 else 'pictures'}: {where}", file=sys.stderr)


def quoted(text: str | Path) -> str:
    """An argument as a shell takes it."""
    from shlex import quote

    return quote(str(text))
