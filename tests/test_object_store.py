"""Objects by URL, on a real S3 server."""

from pathlib import Path

import pytest

from infomax import InfoMaxError
from infomax.object_store import (
    find_object,
    is_url,
    list_objects,
    open_object,
    place_of,
    read_object,
    url_of,
    write_object,
)
from tests.objects import Gate


def test_urls_and_what_pathlib_makes_of_them() -> None:
    assert [is_url(each) for each in ("s3://b/x", "gs://b", "az://c/x", Path("s3://b/x"))] == [True] * 4
    assert not any(is_url(each) for each in ("photos", "./s3", "/s3:/b", "http://b/x", "s3:x", "s3://", 3, None))
    assert url_of(Path("s3://b/x y/é#.png")) == url_of("s3:/b/x y/é#.png/") == "s3://b/x y/é#.png"
    assert (place_of(Path("s3://b/x")), place_of(Path("photos"))) == ("s3://b/x", Path("photos"))


def test_what_is_written_can_be_listed_and_read(bucket: str) -> None:
    assert list_objects(bucket) == list_objects(f"{bucket}/photos") == []
    assert find_object(f"{bucket}/photos/a") is None
    for name in ("photos/b #1 é%20.png", "photos/cat/a.png", "photos.txt"):
        write_object(f"{bucket}/{name}", name.encode())
    found = list_objects(f"{bucket}/photos")
    assert [each.url for each in found] == [f"{bucket}/photos/b #1 é%20.png", f"{bucket}/photos/cat/a.png"]
    assert [each.name for each in list_objects(f"{bucket}/photos", recursive=False)] == ["b #1 é%20.png"]
    assert found[1] == find_object(found[1].url)
    assert (found[1].size, found[1].version.partition(":")[0]) == (16, "16")
    assert read_object(found[0].url) == "photos/b #1 é%20.png".encode()
    with open_object(found[1].url) as file:
        file.seek(7)
        assert file.read(3) == b"cat"
    write_object(found[1].url, b"changed")
    assert read_object(found[1].url) == b"changed"


def test_a_missing_object_is_told_from_other_failures(bucket: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_object(f"{bucket}/none")
    with pytest.raises(FileNotFoundError):
        open_object(f"{bucket}/none")


def test_failures_are_one_line(s3: Gate, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InfoMaxError, match=r"cannot write to 's3://no-such-bucket/x' \(there is no such bucket\)"):
        write_object("s3://no-such-bucket/x", b"x")
    monkeypatch.setattr("infomax.object_store.REQUEST_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(
        InfoMaxError, match=r"^cannot list 's3://bucket' \(the server cannot be reached\): check .*again$"
    ):
        list_objects("s3://bucket")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InfoMaxError, match=r"cannot read 'az://box/x' \(AZURE_STORAGE_ACCOUNT_NAME is not set\)"):
        read_object("az://box/x")


def test_a_pyarrow_without_the_store_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("The pyarrow installation is not built with support for 'GcsFileSystem'")

    monkeypatch.setattr("pyarrow.fs.GcsFileSystem", missing)
    with pytest.raises(InfoMaxError, match=r"^this pyarrow is built without support for gs://: pip install .*pyarrow$"):
        read_object("gs://bucket/without")
