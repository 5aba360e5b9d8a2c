"""RUN, the folder of one training: config, weights, checkpoint, log, skipped images, figures, TensorBoard's files."""

import io
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.files import is_unfinished, json_text, locked_folder, path_in_errors, written_atomically
from infomax.paths import expand_home

Checkpoint = dict[str, Any]
LogLine = Mapping[str, Any]


@final
class Run:
    """The folder of one training. Every file but the log, which grows by lines, appears whole or not at all.

    A run is finished once it has model.safetensors; with a config.json alone it was interrupted.

    Args:
        path: The folder.

    """

    FORMAT: ClassVar = 2
    """Version of config.json and last.ckpt; files of another version are refused."""

    def __init__(self, path: str | Path) -> None:
        self.path = expand_home(path)
        self.config_file = self.path / "config.json"
        self.weights_file = self.path / "model.safetensors"
        self.checkpoint_file = self.path / "last.ckpt"
        self.log_file = self.path / "log.jsonl"
        self.skipped_file = self.path / "skipped.csv"
        self.figures = self.path / "figures"
        self.tensorboard = self.path / "tensorboard"

    @property
    def exists(self) -> bool:
        """Whether a training was ever begun here."""
        return self.config_file.is_file()

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return self.exists and self.weights_file.is_file()

    def validate_free(self, *, overwrite: bool) -> None:
        """Refuse a folder that a new run must not be written to.

        Args:
            overwrite: Whether a run that is there may be replaced.

        Raises:
            InfoMaxError: The folder holds a run and overwrite is false, or it holds anything else.

        """
        if self.exists and not overwrite:
            state, wish = (
                ("a finished", "choose another --out") if self.finished else ("an interrupted", "add --resume")
            )
            raise InfoMaxError(f"{self.path} holds {state} run: {wish}, or replace it with --overwrite")
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{self.path} is a file, and a run is a folder: choose another --out")
        if not self.exists and self.path.is_dir() and not all(map(is_unfinished, self.path.iterdir())):
            raise InfoMaxError(f"{self.path} is not empty and holds no run: choose another --out")

    def validate_resumable(
        self, before: Mapping[str, Any], now: Mapping[str, Any], keys: Collection[str]
    ) -> Checkpoint | None:
        """Refuse to resume with another seed, device, number of processes or collection, or from a damaged run.

        What a recipe may change is for `Recipe.validate_resumable` to say.

        Args:
            before: The config.json of the run.
            now: The same of the training that is to continue it.
            keys: What the checkpoint must hold.

        Returns:
            The checkpoint to go on from; None where the run was stopped before its first.

        Raises:
            InfoMaxError: One of them differs, or a file is damaged.

        """
        if (then := before["world_size"]) != now["world_size"]:
            raise InfoMaxError(
                f"{self.path} was begun by {then} processes, not {now['world_size']}: resume with as many"
            )
        for name in ("seed", "device"):
            if before[name] != now[name]:
                raise InfoMaxError(
                    f"{self.path} was begun with {name} {before[name]}: resume with --{name} {before[name]}"
                )
        if before["data"].get("fingerprint") != now["data"]["fingerprint"]:
            raise InfoMaxError(f"{self.path} was begun with other images: resume with the same, or start a new --out")
        checkpoint = self.read_checkpoint(keys)  # a damaged file is reported here, before anything is touched
        list(self.read_log())
        if checkpoint is None and self.finished:
            raise InfoMaxError(f"{self.path} has no last.ckpt to go on from: choose another --out, or use --overwrite")
        return checkpoint

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in the folder while the context lasts; make the folder if need be.

        Yields:
            Nothing.

        Raises:
            InfoMaxError: Another process trains in the folder.

        """
        self.path.mkdir(parents=True, exist_ok=True)
        refusal = f"another process is training in {self.path}: wait for it, stop it, or choose another --out"
        with locked_folder(self.path, refusal):
            yield

    def begin(self, config: Mapping[str, Any], *, afresh: bool) -> None:
        """Mark the folder as that of a training under way.

        Only our own files are deleted. The weights go first: without them the run counts as interrupted.

        Args:
            config: The content of config.json.
            afresh: Whether to delete what a former run left.

        """
        json.dumps(config)  # what cannot be written is found before anything is deleted
        self.path.mkdir(parents=True, exist_ok=True)
        self.weights_file.unlink(missing_ok=True)
        for file in filter(is_unfinished, self.path.iterdir()):
            file.unlink(missing_ok=True)
        if afresh:
            for folder in (self.figures, self.tensorboard):
                shutil.rmtree(folder, ignore_errors=True)
            for file in (self.checkpoint_file, self.log_file, self.skipped_file):
                file.unlink(missing_ok=True)
        self.write_config(config)

    def finish(self, *, keep_checkpoint: bool) -> None:
        """Tidy up after the weights are written.

        Args:
            keep_checkpoint: Whether the training can go on later; else last.ckpt is deleted, which may be many times
                the size of the model.

        """
        if not keep_checkpoint:
            self.checkpoint_file.unlink(missing_ok=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.json.

        Args:
            config: The content.

        """
        with written_atomically(self.config_file, "w") as file:
            file.write(json_text(config, indent=2) + "\n")

    def read_config(self) -> dict[str, Any]:
        """Read config.json.

        Returns:
            The content.

        Raises:
            InfoMaxError: There is no such file, or it is damaged or of another version.

        """
        try:
            config = json.loads(self.config_file.read_text("utf-8"))
        except FileNotFoundError:
            raise InfoMaxError(f"{self.path} holds no run (no config.json): make one with infomax fit") from None
        except ValueError as error:
            raise InfoMaxError(f"{self.config_file} is damaged ({error}): fit again with --overwrite") from None
        if not isinstance(config, dict) or not {"recipe", "seed", "device", "precision", "data"} <= config.keys():
            raise InfoMaxError(f"{self.config_file} is no configuration of a run: fit again with --overwrite")
        if (found := config.get("format")) != self.FORMAT:
            raise InfoMaxError(
                f"{self.path} has format {found}, and this version reads {self.FORMAT}: fit again with --overwrite"
            )
        records = (config["recipe"], config["data"])
        if "world_size" not in config or not all(isinstance(each, dict) for each in records):
            raise InfoMaxError(f"{self.config_file} is no configuration of a run: fit again with --overwrite")
        return config

    def write_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Write model.safetensors, which marks the run as finished.

        Args:
            weights: The tensors by name.

        """
        with written_atomically(self.weights_file) as file:
            file.write(safetensors.torch.save({name: tensor.contiguous().cpu() for name, tensor in weights.items()}))

    def read_weights(self) -> dict[str, Tensor]:
        """Read model.safetensors.

        Returns:
            The tensors by name, on the CPU.

        Raises:
            InfoMaxError: The run is not finished, or the file is damaged.

        """
        self.read_config()
        try:
            return safetensors.torch.load(self.weights_file.read_bytes())
        except FileNotFoundError:
            raise InfoMaxError(f"{self.path} has no model yet: finish it with infomax fit --resume") from None
        except safetensors.SafetensorError as error:
            raise InfoMaxError(f"{self.weights_file} is damaged ({error}): fit again with --overwrite") from None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write last.ckpt.

        Args:
            checkpoint: Tensors, numbers and containers of them; the trainer decides which.

        """
        content = io.BytesIO()
        torch.save({"format": self.FORMAT, **checkpoint}, content)
        with written_atomically(self.checkpoint_file) as file:
            file.write(content.getbuffer())

    def read_checkpoint(self, keys: Collection[str] = ()) -> Checkpoint | None:
        """Read last.ckpt.

        Args:
            keys: What it must hold; each kind of training has a shape of its own.

        Returns:
            What `write_checkpoint` was given; None where the run was stopped before its first checkpoint.

        Raises:
            InfoMaxError: The file is damaged, of another version, or of another kind of training.

        """
        try:
            content = self.checkpoint_file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            checkpoint = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except Exception as error:  # torch raises many kinds for a damaged file, none of them of its own
            reason = str(error).partition("\n")[0]
            raise InfoMaxError(f"{self.checkpoint_file} is damaged ({reason}): start over with --overwrite") from None
        if not isinstance(checkpoint, dict) or not {"format", *keys} <= checkpoint.keys():
            raise InfoMaxError(f"{self.checkpoint_file} is no checkpoint of this training: start over with --overwrite")
        if checkpoint["format"] != self.FORMAT:
            raise InfoMaxError(f"{self.checkpoint_file} is no checkpoint: start over with --overwrite")
        return checkpoint

    def log(self, line: LogLine) -> None:
        """Append one line to log.jsonl.

        Args:
            line: What to log; `kind` says which kind of line it is.

        """
        with path_in_errors(self.log_file), self.log_file.open("a", encoding="utf-8") as file:
            file.write(json_text(line) + "\n")

    def read_log(self) -> Iterator[dict[str, Any]]:
        """Read log.jsonl; a last line that was cut off is left out.

        Yields:
            The lines in order.

        Raises:
            InfoMaxError: A line is damaged.

        """
        if not self.log_file.is_file():
            return
        for number, text in enumerate(self.log_file.read_bytes().split(b"\n")[:-1], 1):
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict) or "kind" not in line or not isinstance(line.get("step"), int):
                raise InfoMaxError(f"{self.log_file} is damaged in line {number}: delete that line, or all from it on")
            yield line

    def rewind_log(self, keep: Callable[[LogLine], bool]) -> None:
        """Drop lines of log.jsonl that a resumed training writes again.

        Args:
            keep: Whether a line stays.

        """
        kept = [line for line in self.read_log() if keep(line)]
        with written_atomically(self.log_file, "w") as file:
            file.writelines(json_text(line) + "\n" for line in kept)
