"""Models that travel: a folder, or a repository of the Hugging Face hub, with a card that says what is in it.

The hub needs huggingface_hub: pip install 'infomax[hub]'. A folder needs nothing. What comes from either is read as
JSON and safetensors, and nothing of it is run.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.paths import expand_home, quoted_path

if TYPE_CHECKING:
    from collections.abc import Callable

Own = TypeVar("Own", bound="Shareable")

CARD = "README.md"
MODEL_FILES = ("config.json", "model.safetensors", "log.jsonl")
"""What a repository holds of a run, beside the card. The log is left out where there is none."""


class Shareable:
    """A model with `save` and `load` that can also be saved with a card, and come from the hub and go there."""

    config_: dict[str, Any]
    if TYPE_CHECKING:
        save: "Callable[[str | Path], None]"
        load: "Callable[..., Any]"

    @classmethod
    def from_pretrained(cls: type[Own], name: str | Path, *, revision: str | None = None, **options: Any) -> Own:
        """Load a model from a folder, or from the Hugging Face hub.

        Args:
            name: A folder that `save`, `save_pretrained` or a finished `fit` wrote; or a repository, OWNER/NAME.
            revision: Branch, tag or commit of the repository.
            **options: Further arguments of `load`.

        Returns:
            The fitted model.

        Raises:
            InfoMaxError: There is no such folder or repository, or it holds no model.

        """
        folder = expand_home(name)
        if not folder.is_dir():
            folder = _download(str(name), revision)
        model: Own = cls.load(folder, **options)
        return model

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,  # noqa: A002
        scores: str | Path | None = None,
    ) -> None:
        """Write the model with a card, as a repository of the hub has them.

        Args:
            folder: The folder to write into; it is made if need be.
            license: License of the model, as the hub names it: apache-2.0, say. None leaves it open. A backbone's own
                license binds the model, too.
            scores: A file that `infomax evaluate --json` wrote, for the card; None for no figures.

        Raises:
            InfoMaxError: The file of scores cannot be used.

        """
        found = {} if scores is None else _read_scores(Path(scores))
        self.save(folder)
        with written_atomically(expand_home(folder) / CARD, "w") as file:
            file.write(card(self.config_, license, found))

    def push_to_hub(
        self,
        repository: str,
        *,
        license: str | None = None,  # noqa: A002
        scores: str | Path | None = None,
        private: bool = False,
    ) -> str:
        """Upload the model with its card to the Hugging Face hub, under the account that is logged in there.

        Args:
            repository: OWNER/NAME; it is made if need be.
            license: As for `save_pretrained`.
            scores: As for `save_pretrained`.
            private: Whether a new repository is private.

        Returns:
            The address of the commit.

        Raises:
            InfoMaxError: huggingface_hub is missing, or the hub refuses.

        """
        hub = _hub()
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, license=license, scores=scores)
            try:
                hub.create_repo(repository, private=private, exist_ok=True)
                done = hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="Upload a model")
            except Exception as error:  # the hub raises kinds of several packages, of the network among them
                raise InfoMaxError(f"cannot upload to {repository} ({_reason(error)}): check name and login") from None
        return str(done)


def download_model(name: str, folder: str | Path, *, revision: str | None = None) -> None:
    """Get a model from the Hugging Face hub into a folder of its own.

    Args:
        name: OWNER/NAME.
        folder: A new folder, or an empty one.
        revision: Branch, tag or commit of the repository.

    Raises:
        InfoMaxError: There is no such repository, it holds no model, or the folder holds something.

    """
    place = expand_home(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InfoMaxError(f"{quoted_path(place)} is there already and is not empty: choose a new folder")
    found = _download(name, revision)
    missing = [file for file in MODEL_FILES[:2] if not (found / file).is_file()]
    if missing:
        raise InfoMaxError(f"{name} holds no model of infomax: it has no {missing[0]}")
    place.mkdir(parents=True, exist_ok=True)
    for file in (*reversed(MODEL_FILES), CARD):  # the config comes late: what was cut off is no model
        if (found / file).is_file():
            with written_atomically(place / file, "wb") as out:
                out.write((found / file).read_bytes())


def card(config: Mapping[str, Any], license: str | None, scores: Mapping[str, float]) -> str:  # noqa: A002
    """Write the card of a model.

    Args:
        config: Its config.json.
        license: Its license; None leaves it open.
        scores: Measured figures by name, as fractions.

    Returns:
        Markdown, with the metadata that the hub reads.

    """
    recipe, data = config["recipe"], config["data"]
    head = {
        "library_name": "infomax",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["infomax", "image-search", "self-supervised-learning"],
        **({"license": license} if license else {}),
    }
    lines = ["---", *(f"{name}: {json.dumps(value)}" for name, value in head.items()), "---", ""]
    lines += [f"# Image features by infomax, recipe {recipe['name']}", ""]
    lines += [f"A model that maps an image to {recipe['dim']} numbers. It was learned without labels, from"]
    lines += [f"{data['images']} images seen at {recipe['size']} x {recipe['size']} pixels.", ""]
    lines += ["    from infomax import InfoMax", "", '    model = InfoMax.from_pretrained("OWNER/NAME")']
    lines += ['    vectors = model.transform("photos/")', ""]
    if backbone := recipe.get("backbone"):
        lines += [
            f"Its features start from the frozen net `{Path(backbone).name}`, whose license holds for it, too.",
            "",
        ]
    lines += ["## Measured", ""]
    if scores:
        lines += ["| | |", "|---|---|", *(f"| {name} | {100 * value:.2f} % |" for name, value in scores.items())]
    else:
        lines += ["Nothing was measured for this card: `infomax evaluate SOURCE --model RUN --json scores.json`."]
    lines += ["", "## Settings", "", "```json", json.dumps(recipe, indent=2), "```", ""]
    versions = ", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items())
    lines += [f"Seed {config['seed']}, {config['precision']}, {versions}.", ""]
    return "\n".join(lines)


def _read_scores(file: Path) -> dict[str, float]:
    """The accuracies of a document of `infomax evaluate`, by what they are called in a table."""
    wrong = f"scores {quoted_path(file)} are no result: give a file that infomax evaluate --json wrote"
    try:
        document = json.loads(file.read_text("utf-8"))
        knn = document["knn"]
        found = {
            f"{knn['k']} nearest neighbors by cosine": knn["cosine"],
            "linear classifier": document.get("linear"),
            "raw pixels, nearest neighbors": document.get("pixels", {}).get("knn"),
        }
        return {
            f"{name}, {document['n_test']} test images of {document['classes']} classes": float(value)
            for name, value in found.items()
            if value is not None
        }
    except OSError as error:
        raise InfoMaxError(f"scores {quoted_path(file)}: {error.strerror}: give a file of evaluate --json") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InfoMaxError(wrong) from None


def _download(name: str, revision: str | None) -> Path:
    """The files of a repository, in the user's cache. Code that it may hold is not fetched."""
    if name.count("/") != 1 or not all(name.split("/")):
        raise InfoMaxError(f"{quoted_path(name)} is no folder, and no repository OWNER/NAME: give one of them")
    try:
        return Path(_hub().snapshot_download(name, revision=revision, allow_patterns=[*MODEL_FILES, CARD]))
    except InfoMaxError:
        raise
    except Exception as error:  # as above
        raise InfoMaxError(f"cannot get {name} from the hub ({_reason(error)}): check name and network") from None


def _hub() -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise InfoMaxError("huggingface_hub is missing: pip install 'infomax[hub]', or use a folder") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
