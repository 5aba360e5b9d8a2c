"""Objects of a cloud's store, by their URLs: s3://bucket/key, gs://bucket/key, az://container/key.

pyarrow reads and writes them. Credentials and the address of a server are those that pyarrow and LanceDB read: for S3
the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL` ...), `~/.aws` or the role of the machine.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from infomax.errors import InfoMaxError
from infomax.paths import quoted_path

REQUEST_ATTEMPTS = 6
"""How often a request is tried: a server that is away for a few seconds is waited for."""

_URL = re.compile(r"(s3|gs|az):/{1,2}(?=[^/])")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class StoredObject(NamedTuple):
    """An object of a store.

    Attributes:
        url: Its URL.
        size: Bytes.
        mtime_ns: When it was written, in nanoseconds since 1970.

    """

    url: str
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    @property
    def version(self) -> str:
        """Version for `Entry.version`, as a file has it."""
        return f"{self.size}:{self.mtime_ns}"


def is_url(place: object) -> bool:
    """Whether a place is on an object store.

    Args:
        place: A URL, or the path that pathlib makes of one, which has one slash after the colon. Others are no URLs.

    Returns:
        True for s3, gs and az.

    Examples:
        >>> is_url("s3://bucket/photos"), is_url(Path("s3://bucket/photos")), is_url("photos"), is_url(b"s3://x")
        (True, True, False, False)

    """
    return isinstance(place, str | PurePath) and _URL.match(str(place)) is not None


def url_of(place: str | PurePath) -> str:
    """Write the URL of a place on an object store.

    Args:
        place: A place that `is_url` is true of.

    Returns:
        The URL, without a slash at its end.

    Examples:
        >>> url_of(Path("s3://bucket/photos/"))
        's3://bucket/photos'

    """
    return _URL.sub(lambda found: f"{found[1]}://", str(place), count=1).rstrip("/")


def place_of(path: Path) -> Path | str:
    """Undo what pathlib does to a URL.

    Args:
        path: A path as a command has it.

    Returns:
        The URL, where it is one; else the path.

    """
    return url_of(path) if is_url(path) else path


def list_objects(url: str, *, recursive: bool = True) -> list[StoredObject]:
    """List the objects below a URL.

    Args:
        url: A bucket or a "folder" in it.
        recursive: Whether objects in "folders" below it count.

    Returns:
        The objects, in the order of their URLs; none where nothing is there.

    Raises:
        InfoMaxError: The store cannot be reached, or refuses.

    """
    from pyarrow.fs import FileSelector, FileType

    with translate_errors("list", url):
        files, path = _filesystem(url)
        found = files.get_file_info(FileSelector(path, recursive=recursive, allow_not_found=True))
    scheme = url.partition("://")[0]
    files = [each for each in found if each.type == FileType.File]
    return sorted(StoredObject(f"{scheme}://{each.path}", each.size, each.mtime_ns or 0) for each in files)


def find_object(url: str) -> StoredObject | None:
    """Ask for one object.

    Args:
        url: Its URL.

    Returns:
        The object; None where there is none.

    Raises:
        InfoMaxError: The store cannot be reached, or refuses.

    """
    from pyarrow.fs import FileType

    with translate_errors("read", url):
        files, path = _filesystem(url)
        found = files.get_file_info(path)
    return StoredObject(url, found.size, found.mtime_ns or 0) if found.type == FileType.File else None


def open_object(url: str) -> Any:
    """Open an object to read parts of it.

    Args:
        url: Its URL.

    Returns:
        A file of pyarrow, open for reading at any place.

    Raises:
        FileNotFoundError: There is no such object.
        InfoMaxError: The store cannot be reached, or refuses.

    """
    with translate_errors("read", url):
        files, path = _filesystem(url)
        return files.open_input_file(path)


def read_object(url: str) -> bytes:
    """Read an object whole.

    Args:
        url: Its URL.

    Returns:
        The content.

    Raises:
        FileNotFoundError: There is no such object.
        InfoMaxError: The store cannot be reached, or refuses.

    """
    with translate_errors("read", url):
        files, path = _filesystem(url)
        with files.open_input_stream(path) as file:
            content: bytes = file.read()
            return content


def write_object(url: str, content: bytes) -> None:
    """Write an object, which appears whole or not at all.

    Args:
        url: Its URL.
        content: The content.

    Raises:
        InfoMaxError: The store cannot be reached, or refuses.

    """
    with translate_errors("write to", url):
        files, path = _filesystem(url)
        with files.open_output_stream(path) as file:
            file.write(content)


def lance_options(url: str) -> dict[str, str]:
    """Give LanceDB what it does not read from the environment in the same words as pyarrow.

    Args:
        url: URL of a database.

    Returns:
        Its `storage_options`.

    """
    options = {"client_max_retries": str(REQUEST_ATTEMPTS), "client_retry_timeout": "60"}
    if url.startswith("s3:") and (endpoint := _first(_ENDPOINTS)):
        options |= {"aws_endpoint": endpoint, "allow_http": str(endpoint.startswith("http://")).lower()}
    return options


@contextmanager
def translate_errors(what: str, url: str) -> Iterator[None]:
    """Turn errors of a store, of several lines, into one that says what to do. A missing object stays as it is.

    Args:
        what: The verb: "read", "write to" or "list".
        url: What was asked for.

    Yields:
        Nothing.

    Raises:
        FileNotFoundError: There is no such object.
        InfoMaxError: Anything else.

    """
    try:
        yield
    except (FileNotFoundError, InfoMaxError):
        raise
    except ImportError:
        raise InfoMaxError(
            f"this pyarrow is built without support for {url.partition('://')[0]}://: pip install --upgrade pyarrow"
        ) from None
    except (OSError, ValueError) as error:
        raise InfoMaxError(f"cannot {what} {quoted_path(url)} ({_reason(str(error))}): {_remedy(str(error))}") from None


def _filesystem(url: str) -> tuple[Any, str]:
    """The file system of pyarrow for a URL, and the path there."""
    scheme, _, path = url.partition("://")
    account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    public = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true")
    return _opened(scheme, path.partition("/")[0], _first(_ENDPOINTS), _first(_REGIONS), account, public), path


@lru_cache(maxsize=16)
def _opened(
    scheme: str, bucket: str, endpoint: str | None, region: str | None, account: str | None, public: bool
) -> Any:
    """A file system of pyarrow, opened once for the same settings."""
    from pyarrow import fs

    if scheme == "gs":
        return fs.GcsFileSystem()
    if scheme == "az":
        if account is None:
            raise ValueError("AZURE_STORAGE_ACCOUNT_NAME is not set")
        return fs.AzureFileSystem(account, os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"))
    if region is None and endpoint is None:
        region = fs.resolve_s3_region(bucket)
    retry = fs.AwsStandardS3RetryStrategy(max_attempts=REQUEST_ATTEMPTS)
    address = {} if endpoint is None else {"endpoint_override": endpoint}
    # a small object is written by one request, rather than by three
    return fs.S3FileSystem(
        anonymous=public, region=region, retry_strategy=retry, allow_delayed_open=True, connect_timeout=10, **address
    )


def _first(names: tuple[str, ...]) -> str | None:
    """The first of some variables of the environment that is set."""
    return next((value for name in names if (value := os.environ.get(name))), None)


_REASONS = {
    "NO_SUCH_BUCKET": "there is no such bucket",
    "ACCESS_DENIED": "access denied",
    "NETWORK_CONNECTION": "the server cannot be reached",
    "INVALID_ACCESS_KEY_ID": "the access key is unknown",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong",
}


def _reason(text: str) -> str:
    """The part of pyarrow's message that is useful to a person."""
    known = next((words for name, words in _REASONS.items() if name in text), None)
    return known or " ".join(text.split())[:200]


def _remedy(text: str) -> str:
    """What to do about it."""
    if "NETWORK_CONNECTION" in text:
        return "check the address and the network, and run the command again"
    return "check the URL and the credentials in the environment"
