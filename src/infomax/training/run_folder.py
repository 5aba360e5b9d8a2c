"""RUN, the folder of one training: config, weights, checkpoint, log, what was skipped, figures, TensorBoard's files."""

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.files import is_unfinished, naming, written_atomically

Checkpoint = dict[str, Any]


@final
class Run:
    """The folder of one training. Every file but the log, which grows by lines, appears whole or not at all.

    A run is finished once it has model.safetensors; with a config.json alone it was interrupted.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
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

    def refuse_unless_free(self, *, overwrite: bool) -> None:
        """Raise InfoMaxError where the folder holds a run and `overwrite` is false, or anything that is no run."""
        if self.exists and not overwrite:
            state, wish = (
                ("a finished", "choose another --out") if self.finished else ("an interrupted", "add --resume")
            )
            raise InfoMaxError(f"{self.path} holds {state} run: {wish}, or replace it with --overwrite")
        if self.path.exists() and not self.path.is_dir():
            raise InfoMaxError(f"{self.path} is a file, and a run is a folder: choose another --out")
        if not self.exists and self.path.is_dir() and not all(map(is_unfinished, self.path.iterdir())):
            raise InfoMaxError(f"{self.path} is not empty and holds no run: choose another --out")

    def refuse_unless_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Raise InfoMaxError where resuming `before` (its config.json) as `now` would not be the same training."""
        epochs, wanted = (config["recipe"].get("epochs", 1) for config in (before, now))
        if self.finished and "epochs" not in now["recipe"]:
            raise InfoMaxError(f"{self.path} has finished: nothing is left to resume; to learn anew, use --overwrite")
        if self.finished and wanted <= epochs:
            raise InfoMaxError(f"{self.path} has finished its {epochs} epochs: for more, add --epochs N to --resume")
        for name in {**before["recipe"], **now["recipe"]}:
            then, today = before["recipe"].get(name), now["recipe"].get(name)
            if then != today and name != "epochs":
                what = "recipe" if name == "name" else name
                raise InfoMaxError(
                    f"{self.path} was begun with {what} {then}, not {today}: resume with the settings it began with"
                )
        if epochs != wanted and (now["recipe"].get("warmup") or now["recipe"].get("decay", "constant") != "constant"):
            raise InfoMaxError(
                f"{self.path} was begun with {epochs} epochs, at the end of which its learning rate is to be 0: resume "
                f"with --epochs {epochs}, or start a new --out"
            )
        if (then := before.get("ranks", 1)) != now["ranks"]:
            raise InfoMaxError(f"{self.path} was begun by {then} processes, not {now['ranks']}: resume with as many")
        for name in ("seed", "device"):
            if before[name] != now[name]:
                raise InfoMaxError(
                    f"{self.path} was begun with {name} {before[name]}: resume with --{name} {before[name]}"
                )
        if before["data"]["fingerprint"] != now["data"]["fingerprint"]:
            raise InfoMaxError(f"{self.path} was begun with other images: resume with the same, or start a new --out")
        checkpoint = self.read_checkpoint()  # a damaged one is told here, before anything is touched
        list(self.read_log())  # and so is a damaged log
        if checkpoint is None and self.finished:
            raise InfoMaxError(f"{self.path} has no last.ckpt to go on from: choose another --out, or use --overwrite")
        if checkpoint is not None and wanted < (begun := checkpoint["epoch"] + (checkpoint["batch"] > 0)):
            raise InfoMaxError(f"{self.path} is in epoch {begun} already: resume with --epochs {begun} or more")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in the folder, which is made if need be, as long as the context lasts.

        The kernel locks the folder itself and lets go of it when the process ends, however it ends: no file is left
        behind. Where it can lock no folder (Windows, some network file systems) nothing is kept from anybody. Raises
        InfoMaxError where another process trains in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            yield
            return
        import fcntl

        folder = os.open(self.path, os.O_RDONLY)
        try:
            with suppress(OSError):
                try:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise InfoMaxError(
                        f"another process is training in {self.path}: wait for it, stop it, or choose another --out"
                    ) from None
            yield
        finally:
            os.close(folder)

    def begin(self, config: Mapping[str, Any], *, afresh: bool) -> None:
        """Make the folder that of a training under way; `afresh` clears what a former run left.

        Only our own files are deleted. The weights go first: without them the run counts as interrupted.
        """
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

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.json."""
        with written_atomically(self.config_file, "w") as file:
            json.dump(config, file, indent=2)
            file.write("\n")

    def read_config(self) -> dict[str, Any]:
        """Read config.json. Raises InfoMaxError where there is none, or none that can be read."""
        try:
            config = json.loads(self.config_file.read_text("utf-8"))
        except FileNotFoundError:
            raise InfoMaxError(f"{self.path} holds no run (no config.json): make one with infomax fit") from None
        except ValueError as error:
            raise InfoMaxError(f"{self.config_file} is damaged ({error}): fit again with --overwrite") from None
        if not isinstance(config, dict) or not {"recipe", "seed", "device", "precision", "data"} <= config.keys():
            raise InfoMaxError(f"{self.config_file} is no configuration of a run: fit again with --overwrite")
        return config

    def write_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Write model.safetensors, which makes the run a finished one."""
        with written_atomically(self.weights_file) as file:
            file.write(safetensors.torch.save({name: tensor.contiguous().cpu() for name, tensor in weights.items()}))

    def read_weights(self) -> dict[str, Tensor]:
        """Read model.safetensors. Raises InfoMaxError where the run is not finished or the file is damaged."""
        self.read_config()
        try:
            return safetensors.torch.load(self.weights_file.read_bytes())
        except FileNotFoundError:
            raise InfoMaxError(f"{self.path} has no model yet: finish it with infomax fit --resume") from None
        except safetensors.SafetensorError as error:
            raise InfoMaxError(f"{self.weights_file} is damaged ({error}): fit again with --overwrite") from None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write last.ckpt."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_atomically(self.checkpoint_file) as file:
            file.write(content.getbuffer())

    def read_checkpoint(self) -> Checkpoint | None:
        """Read last.ckpt; None where the run was stopped before its first. Raises InfoMaxError where it is damaged."""
        try:
            content = self.checkpoint_file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            checkpoint = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except Exception as error:  # torch raises many kinds for a damaged file, none of them of its own
            reason = str(error).partition("\n")[0]
            raise InfoMaxError(f"{self.checkpoint_file} is damaged ({reason}): start over with --overwrite") from None
        if not isinstance(checkpoint, dict) or not {"encoder", "epoch", "batch", "step"} <= checkpoint.keys():
            raise InfoMaxError(f"{self.checkpoint_file} is no checkpoint: start over with --overwrite")
        return checkpoint

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one line to log.jsonl."""
        with naming(self.log_file), self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def read_log(self) -> Iterator[dict[str, Any]]:
        """The lines of log.jsonl; a last one that was cut off is left out. Raises InfoMaxError where one is damaged."""
        if not self.log_file.is_file():
            return
        for number, text in enumerate(self.log_file.read_bytes().split(b"\n")[:-1], 1):
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict) or not {"kind", "step", "epoch"} <= line.keys():
                raise InfoMaxError(f"{self.log_file} is damaged in line {number}: delete that line, or all from it on")
            yield line

    def rewind_log(self, step: int, epochs: int) -> None:
        """Drop what was logged after `step`, and of epochs after the first `epochs`: a resumed training tells it again.

        The two differ where a checkpoint of the last step of an epoch was followed by the line of that epoch.
        """
        kept = [
            line
            for line in self.read_log()
            if line["step"] <= step and (line["kind"] != "epoch" or line["epoch"] <= epochs)
        ]
        with written_atomically(self.log_file, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in kept)
