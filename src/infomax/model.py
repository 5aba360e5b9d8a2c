"""InfoMax: fit, transform, save, load."""

import platform
from contextlib import nullcontext
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from infomax.devices import batches_on, bfloat16_is_fast, choose_device
from infomax.errors import InfoMaxError
from infomax.images import LoadedImages, SourceLike, load_images, write_skipped
from infomax.recipes import AUTO, Recipe, TrainingContext, choose_recipe, find_recipe, recipe_from_config
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.distributed import Distributed
from infomax.training.logging import TensorBoardLogger
from infomax.training.run_folder import Run
from infomax.training.trainer import validate_count


@final
class InfoMax:
    """Features of images, learned without labels by maximizing mutual information.

        model = InfoMax(recipe="dim-cifar10", epochs=5).fit("photos/")
        vectors = model.transform("photos/")                                # (n, dim) float32

    Args:
        recipe: the name of a recipe, or settings of your own; None or `auto` for the one that suits device, number and
            size of the images, or that of a run to resume.
        epochs: passes over the images, in place of the recipe's.
        device: auto, cpu or cuda.
        seed: fixes initial weights, batches, negatives and noise.
        cache: where decoded images are kept; None for the user's cache folder.
        progress: whether to draw progress bars on stderr.

    Learned attributes: encoder_, objective_ (with its critics; None where a recipe has none), recipe_, config_.

    """

    encoder_: Encoder
    objective_: Objective | None
    recipe_: Recipe
    config_: dict[str, Any]

    def __init__(
        self,
        recipe: str | Recipe | None = None,
        *,
        epochs: int | None = None,
        device: str = "auto",
        seed: int = 0,
        cache: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.recipe = recipe
        self.epochs = epochs
        self.device = device
        self.seed = seed
        self.cache = cache
        self.progress = progress

    def fit(
        self,
        source: SourceLike,
        *,
        out: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        board: TensorBoardLogger | None = None,
    ) -> "InfoMax":
        """Learn from a SOURCE of images; returns self.

        With `out`, the folder RUN gets all that is needed to use, judge and resume the training, kept up to date as it
        goes. `resume` continues an interrupted run, or a finished one up to more epochs; `overwrite` replaces one.
        A `board` shows in TensorBoard what the log says.

        A collapse is told by a HealthWarning.

        Raises InfoMaxError for a source, folder or setting that will not do, TrainingDiverged, TrainingInterrupted.
        """
        if resume and (out is None or overwrite):
            raise InfoMaxError("resume continues the run in `out`: give that folder, and do not overwrite it")
        ranks = Distributed.of_environment()
        run = Run(out) if out is not None and ranks.first else None
        before = Run(out).read_config() if out is not None and resume else None
        if before is not None:  # a setting that is newer than the run had its default then
            before["recipe"] = recipe_from_config(before["recipe"]).to_dict()
        device = choose_device(self.device)
        recipe = self._resolve(before["recipe"] if before else None, source, device)
        if run is not None and before is None:
            run.refuse_unless_free(overwrite=overwrite)  # before the long work of decoding
        images = self.load_images(source, recipe.size)
        validate_count(len(images.pixels), len(images.skipped))
        recipe.validate(len(images.pixels), ranks.count)
        config = _configuration(recipe, self.seed, device, ranks, source, images)
        if run is not None and before is not None:
            config["precision"] = before["precision"]
            run.refuse_unless_same(before, config)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # torch.manual_seed would reseed every GPU too
            encoder, objective = recipe.encoder(), recipe.objective()
        with nullcontext() if run is None else run.held():
            if run is not None:
                run.begin(config, afresh=before is None)
                write_skipped(run.skipped_file, images.skipped)
            fitting = TrainingContext(
                pixels=images.pixels,
                labels=images.labels,
                seed=self.seed,
                device=device,
                bfloat16=config["precision"] == "bfloat16",
                run=run,
                board=board if ranks.first else None,
                ranks=ranks,
                progress=self.progress and ranks.first,
            )
            recipe.learn(encoder, objective, fitting)
            self.encoder_, self.objective_, self.recipe_, self.config_ = encoder, objective, recipe, config
            if run is not None:
                self.save(run.path)
        return self

    def transform(self, source: SourceLike) -> Float[np.ndarray, "n dim"]:
        """The codes (the posterior means, float32) of a SOURCE's images, in the order of the source.

        A broken image has no code and is left out; `load_images` tells which those are.
        """
        return self.embed(self.load_images(source))

    def embed(self, images: LoadedImages) -> Float[np.ndarray, "n dim"]:
        """The codes of loaded images, float32."""
        self._require_fitted()
        device = choose_device(self.device)
        encoder = self.encoder_.to(device).eval()
        with torch.inference_mode():
            batches = batches_on(device, images.pixels, "embedding", shown=self.progress)
            return np.concatenate([encoder(batch).mean.cpu().numpy() for batch in batches])

    def load_images(self, source: SourceLike, size: int | None = None) -> LoadedImages:
        """Decode a SOURCE to the size that this model takes, or to another."""
        if size is None:
            self._require_fitted()
            size = self.recipe_.size
        cache = Path(self.cache) if self.cache is not None else None
        return load_images(source, size, cache=cache, progress=self.progress and Distributed.of_environment().first)

    @property
    def fingerprint(self) -> str:
        """A hex digest of all that a code depends on: how an image enters the encoder, and the encoder's weights.

        Critics and settings of the training are left out, so that it stays the same when those come to mean more.
        """
        self._require_fitted()
        digest = blake2b(repr(self.recipe_.input_signature).encode(), digest_size=16)
        for name, weight in sorted(self.encoder_.state_dict().items()):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write config.json and model.safetensors into the folder `path`."""
        self._require_fitted()
        run = Run(path)
        run.path.mkdir(parents=True, exist_ok=True)
        run.write_config(self.config_)
        run.write_weights(
            {
                f"{name}.{key}": weight
                for name, part in self._parts().items()
                for key, weight in part.state_dict().items()
            }
        )

    @classmethod
    def load(
        cls, path: str | Path, *, device: str = "auto", cache: str | Path | None = None, progress: bool = False
    ) -> "InfoMax":
        """A model as `save` or a finished `fit` left it. Raises InfoMaxError where there is none."""
        run = Run(path)
        config, weights = run.read_config(), run.read_weights()
        recipe = recipe_from_config(config["recipe"])
        model = cls(recipe, device=device, seed=config["seed"], cache=cache, progress=progress)
        with torch.random.fork_rng(devices=[]):  # the initial weights that are replaced here draw random numbers
            model.encoder_, model.objective_ = recipe.encoder(), recipe.objective()
        model.recipe_, model.config_ = recipe, config
        for name, part in model._parts().items():
            prefix = f"{name}."
            state = {key.removeprefix(prefix): weight for key, weight in weights.items() if key.startswith(prefix)}
            try:
                part.load_state_dict(state)
            except RuntimeError:
                raise InfoMaxError(f"{run.weights_file} does not fit {run.config_file}: fit again") from None
            part.eval()
        return model

    def _resolve(self, before: dict[str, Any] | None, source: SourceLike, device: torch.device) -> Recipe:
        """The recipe in full: the one asked for, else that of the run to resume, else what suits the images."""
        if isinstance(self.recipe, Recipe):
            recipe = self.recipe
        elif self.recipe is None and before is not None:
            recipe = recipe_from_config(before)
        elif self.recipe is None or self.recipe == AUTO:
            recipe = choose_recipe(source, device).recipe
        else:
            recipe = find_recipe(self.recipe)
        return recipe if self.epochs is None else recipe.with_epochs(self.epochs)

    def _parts(self) -> dict[str, nn.Module]:
        """What has weights, by the name it has in model.safetensors."""
        encoder: dict[str, nn.Module] = {"encoder": self.encoder_}
        return encoder if self.objective_ is None else encoder | {"objective": self.objective_}

    def _require_fitted(self) -> None:
        if not hasattr(self, "encoder_"):
            raise InfoMaxError("this model has learned nothing yet: call fit, or InfoMax.load a run")


def _configuration(
    recipe: Recipe, seed: int, device: torch.device, ranks: Distributed, source: SourceLike, images: LoadedImages
) -> dict[str, Any]:
    """What config.json says: all that the result depends on."""
    return {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "device": str(device),
        "ranks": ranks.count,
        "precision": "bfloat16" if bfloat16_is_fast(device) else "float32",
        "threads": torch.get_num_threads(),
        "versions": {"infomax": _own_version(), "torch": torch.__version__, "python": platform.python_version()},
        "data": {
            "source": _describe(source),
            "images": len(images.pixels),
            "skipped": len(images.skipped),
            "fingerprint": images.fingerprint,
        },
    }


def _own_version() -> str:
    try:
        return version("infomax")
    except PackageNotFoundError:  # from the source tree, on a machine where nothing is installed
        return "not installed"


def _describe(source: SourceLike) -> str | list[str]:
    if isinstance(source, np.ndarray):
        return f"array of shape {source.shape}"
    return str(source) if isinstance(source, str | Path) else [str(each) for each in source]
