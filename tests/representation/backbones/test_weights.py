"""Files of weights: what is read, and that nothing in a hostile one is run."""

import pickle
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from infomax.errors import InfoMaxError
from infomax.representation.backbones.weights import read_weights

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_tensors_come_back(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"net{ending}"
    (safetensors.torch.save_file if ending == ".safetensors" else torch.save)(TENSORS, file)
    digest = sha256(file.read_bytes()).hexdigest()
    found = read_weights(file, digest[:16])
    assert found.sha256 == digest
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "teacher"])
def test_what_training_scripts_put_around_the_weights_is_left_out(tmp_path: Path, wrapper: str) -> None:
    file = tmp_path / "net.pth"
    torch.save({wrapper: {f"module.{name}": each for name, each in TENSORS.items()}, "epoch": 3}, file)
    assert read_weights(file).tensors.keys() == TENSORS.keys()


@pytest.mark.parametrize("plain", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, plain: bool) -> None:
    file, mark = tmp_path / "net.pth", tmp_path / "was-run"
    if plain:
        file.write_bytes(pickle.dumps({"a": Hostile(mark)}))
    else:
        torch.save({"a": Hostile(mark)}, file)
    with pytest.raises(InfoMaxError, match="hold more than tensors, and nothing of it was run") as raised:
        read_weights(file)
    assert "\n" not in str(raised.value)
    assert not mark.exists()
    torch.load(file, weights_only=False) if not plain else pickle.loads(file.read_bytes())
    assert mark.exists()  # the file is as hostile as it should be


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_damaged_files_are_one_line(tmp_path: Path, ending: str) -> None:
    whole, file = tmp_path / f"whole{ending}", tmp_path / f"cut{ending}"
    (safetensors.torch.save_file if ending == ".safetensors" else torch.save)(TENSORS, whole)
    content = whole.read_bytes()
    for damaged in (content[: len(content) // 2], content[:9], b"", b"\x80\x02" + bytes(100)):
        file.write_bytes(damaged)
        with pytest.raises(InfoMaxError, match=r"weights .* (are damaged|hold more than|are no tensors)") as raised:
            read_weights(file)
        assert "\n" not in str(raised.value)


def test_a_wrong_hash_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    file.write_bytes(b"no weights at all")
    with pytest.raises(InfoMaxError, match=re.escape(f"SHA-256 {sha256(file.read_bytes()).hexdigest()}, not abc")):
        read_weights(file, "abc")


def test_other_content_and_missing_files(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save([1, 2], file)
    with pytest.raises(InfoMaxError, match="are no tensors by name"):
        read_weights(file)
    with pytest.raises(InfoMaxError, match="No such file"):
        read_weights(tmp_path / "none.pth")
