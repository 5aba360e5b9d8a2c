"""InfoMax: fit, transform, encode, save, load, with the habits of scikit-learn."""

from collections.abc import Mapping
from contextlib import nullcontext
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from infomax.constraints import whole_number
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.devices import batches_on, choose_device
from infomax.errors import InfoMaxError
from infomax.estimator import Estimator
from infomax.hub import Shareable
from infomax.images import LoadedImages, SourceLike, load_images, write_skipped
from infomax.images.loading import validate_complete
from infomax.kinds.kind import Loaded
from infomax.progress import announce
from infomax.recipes import Recipe, kind_of, recipe_from_config, resolve_recipe
from infomax.recipes.configuration import config_to_resume, configuration
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.context import TrainingContext, validate_count
from infomax.training.distributed import Distributed
from infomax.training.run_folder import Run

if TYPE_CHECKING:
    from infomax.training.logging import TensorBoardLogger


@final
class InfoMax(Estimator, Shareable):
    """Features learned without labels by maximizing mutual information; a scikit-learn transformer.

    Args:
        recipe: The name of a recipe, or a Recipe; None or "auto" chooses by device, number and size of the images.
        kind: What is learned from: "images" or "text"; None for what the recipe takes, which is images by default.
        settings: Settings of the recipe to replace, by name: {"dim": 128}. Text is read as on the command line.
        epochs: Passes over the images in place of the recipe's; None for the recipe's own.
        minutes: Time in which "auto" is to learn from the images and embed them on a CPU; None for 5 minutes.
        device: "auto", "cpu" or "cuda".
        seed: Seed of initial weights, batches, negatives and noise.
        cache: Folder for decoded images; None for the user's cache folder.
        progress: Whether to draw progress bars on stderr.
        reading: What to leave out of a SOURCE, and how its images are read; None for nothing special.

    Attributes:
        encoder_: The fitted encoder.
        objective_: The fitted objective with its critics; None for a recipe in closed form.
        recipe_: The recipe in full.
        config_: All that the result depends on, as config.json has it.

    Examples:
        >>> from infomax import InfoMax
        >>> model = InfoMax("dim-digits", settings={"blocks": (4, 8), "dim": 8}, epochs=1)
        >>> model.fit("digits:test").transform("digits:test").shape
        (450, 8)

    """

    encoder_: Encoder
    objective_: Objective | None
    recipe_: Recipe
    config_: dict[str, Any]

    def __init__(
        self,
        recipe: str | Recipe | None = None,
        *,
        kind: str | None = None,
        settings: Mapping[str, Any] | None = None,
        epochs: int | None = None,
        minutes: float | None = None,
        device: str = "auto",
        seed: int = 0,
        cache: str | Path | None = None,
        progress: bool = False,
        reading: ReadingOptions | None = None,
    ) -> None:
        self.recipe = recipe
        self.kind = kind
        self.settings = settings
        self.epochs = epochs
        self.minutes = minutes
        self.device = device
        self.seed = seed
        self.cache = cache
        self.progress = progress
        self.reading = reading

    def fit(
        self,
        X: SourceLike,  # noqa: N803
        y: object = None,  # noqa: ARG002
        *,
        out: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        logger: "TensorBoardLogger | None" = None,
    ) -> "InfoMax":
        """Learn from a collection of images, or of texts.

        Args:
            X: A SOURCE, see `open_source`: a folder, a glob, a name, images (n, h, w, 3), or a list of paths or images;
                of texts, see `open_texts`.
            y: Ignored; scikit-learn passes labels here.
            out: The folder RUN for config, weights, log and checkpoints; kept up to date during the training.
            resume: Whether to continue the run in `out`: an interrupted one, or a finished one up to more epochs.
            overwrite: Whether to replace the run in `out`.
            logger: Also shows in TensorBoard what the log says.

        Returns:
            The fitted model itself.

        Raises:
            InfoMaxError: A source, folder or setting cannot be used.
            TrainingDiverged: The loss or the weights are no longer finite.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop; it is a KeyboardInterrupt.

        Warns:
            HealthWarning: The features collapse.

        """
        before = config_to_resume(out, overwrite=overwrite) if resume else None
        reading, begun = self.reading or DEFAULT_OPTIONS, before and before["recipe"]
        context, kind = self._context(out, before, logger), kind_of(self.recipe, self.kind, begun)
        source, epochs = kind.open(X, reading), None if self.epochs is None else whole_number("epochs", self.epochs)
        known: dict[str, Any] = {"before": begun, "minutes": self.minutes, "kind": kind.name}
        recipe, reason = resolve_recipe(
            self.recipe, self.settings, epochs, source=source, device=context.device, **known
        )
        if context.run is not None and before is None:
            context.run.validate_free(overwrite=overwrite)  # before the long work of decoding
        announce(reason, shown=context.progress and bool(reason))
        with recipe.progress(len(source.entries), context.device, shown=context.progress):
            items = kind.load(source, recipe.size, reading, **self._loading)
            self._fit(recipe, items, source.name, before, context)
        return self

    def _context(
        self, out: str | Path | None, before: Mapping[str, Any] | None, logger: "TensorBoardLogger | None"
    ) -> TrainingContext:
        seed, device, run = (
            whole_number("seed", self.seed),
            choose_device(self.device),
            None if out is None else Run(out),
        )
        return TrainingContext.of_environment(seed, device, run, logger, before, progress=self.progress)

    def _fit(
        self,
        recipe: Recipe,
        items: Loaded,
        described: str,
        before: Mapping[str, Any] | None,
        context: TrainingContext,
    ) -> None:
        """Train on what was loaded, and keep the run folder up to date."""
        run = context.run
        validate_count(len(items.examples), len(items.skipped), recipe.data_kind.noun)
        recipe.validate(len(items.examples), context.distributed.world_size)
        config = configuration(recipe, described, items, context)
        if run is not None and before is not None:
            recipe.validate_resumable(run, before, config)
        encoder, objective = _initialized(recipe, context.seed)
        with nullcontext() if run is None else run.locked():
            if run is not None:
                run.begin(config, afresh=before is None)
                write_skipped(run.skipped_file, items.skipped)
            recipe.fit(encoder, objective, items.examples, items.labels, context)
            self.encoder_, self.objective_, self.recipe_, self.config_ = encoder, objective, recipe, config
            if run is not None:
                self.save(run.path)
                run.finish(keep_checkpoint=recipe.can_continue)

    def transform(self, X: SourceLike) -> Float[np.ndarray, "n dim"]:  # noqa: N803
        """Encode the items of a SOURCE.

        Args:
            X: A SOURCE as `fit` takes it.

        Returns:
            The codes (n, dim), float32, in the order of the source. For a stochastic encoder they are the posterior
            means. A broken image of a folder or a table is left out; `load_examples` lists those.

        Raises:
            InfoMaxError: The model is not fitted, the source cannot be used, or an item of a list is broken, so that
                the rows would not belong to the items.

        """
        self._require_fitted()
        source = self.recipe_.data_kind.open(X, self.reading_options())
        items = self.load_examples(source)
        validate_complete(source, items.skipped)
        return self.encode(items.examples)

    def fit_transform(self, X: SourceLike, y: object = None, **options: Any) -> Float[np.ndarray, "n dim"]:  # noqa: N803
        """Learn from a SOURCE and encode it.

        Args:
            X: A SOURCE as `fit` takes it.
            y: Ignored.
            **options: Further arguments of `fit`.

        Returns:
            The codes (n, dim), float32.

        """
        source = kind_of(self.recipe, self.kind).open(X, self.reading_options())  # an iterator is read once
        return self.fit(source, y, **options).transform(source)

    def encode(self, images: Shaped[np.ndarray, "n ..."]) -> Float[np.ndarray, "n dim"]:
        """Encode images that have the size the model takes (`recipe_.size`), or other examples of its kind.

        Args:
            images: Pixels (n, size, size, 3) in 0..255; of texts, the numbers of `load_examples`.

        Returns:
            The codes (n, dim), float32.

        Raises:
            InfoMaxError: The model is not fitted, or takes images of another size or kind.

        """
        self._require_fitted()
        self.recipe_.data_kind.validate(images, self.recipe_.size)
        if not len(images):
            return np.empty((0, self.recipe_.dim), np.float32)
        device = choose_device(self.device)
        encoder = self.encoder_.to(device).eval()
        with torch.inference_mode():
            batches = batches_on(device, images, "encoding", shown=self.progress)
            return np.concatenate([encoder(batch).mean.cpu().numpy() for batch in batches])

    def load_images(self, source: SourceLike, size: int | None = None) -> LoadedImages:
        """Decode a SOURCE of images as the model takes it.

        Args:
            source: A SOURCE of images.
            size: Side of the squares, in pixels; None for the size that the model takes.

        Returns:
            The decoded images, with what was skipped.

        Raises:
            InfoMaxError: The source cannot be used, or no size is given and the model is not fitted or takes no images.

        """
        if size is None:
            loaded = self.load_examples(source)
            if not isinstance(loaded, LoadedImages):
                raise InfoMaxError(f"the model takes {self.recipe_.data}, and this needs images: use another one")
            return loaded
        return load_images(source, size, options=self.reading_options(), **self._loading)

    def load_examples(self, source: SourceLike) -> Loaded:
        """Load a SOURCE as the model takes it, of whichever kind that is.

        Args:
            source: A SOURCE as `fit` takes it.

        Returns:
            The examples, with keys, labels and what was skipped.

        Raises:
            InfoMaxError: The source cannot be used, or the model is not fitted.

        """
        self._require_fitted()
        kind, options = self.recipe_.data_kind, self.reading_options()
        return kind.load(kind.open(source, options), self.recipe_.size, options, **self._loading)

    def reading_options(self, reading: ReadingOptions | None = None) -> ReadingOptions:
        """Say how images are read: once fitted, with the bands and the depth scale that were learned from.

        Args:
            reading: Options for one source; None for those of the model.

        Returns:
            The options.

        """
        options = reading or self.reading or DEFAULT_OPTIONS
        return options.as_learned(self.config_.get("reading", {})) if self.__sklearn_is_fitted__() else options

    @property
    def fingerprint(self) -> str:
        """A hex digest of all that a code depends on: how an item enters the encoder, and the encoder's weights.

        Critics and settings of the training are left out, so that it stays the same when those come to mean more.
        """
        self._require_fitted()
        entrance = (self.recipe_.input_signature, *self.reading_options().pixel_signature)
        digest = blake2b(repr(entrance if len(entrance) > 1 else entrance[0]).encode(), digest_size=16)
        for name, weight in sorted(self.encoder_.state_dict().items()):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write config.json and model.safetensors.

        Args:
            path: The folder to write into; it is made if need be.

        """
        self._require_fitted()
        run = Run(path)
        run.path.mkdir(parents=True, exist_ok=True)
        run.write_config(self.config_)
        run.write_weights(self._weights())

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        cache: str | Path | None = None,
        progress: bool = False,
        reading: ReadingOptions | None = None,
    ) -> "InfoMax":
        """Load a model as `save` or a finished `fit` left it.

        Args:
            path: The folder RUN.
            device: "auto", "cpu" or "cuda".
            cache: Folder for decoded images; None for the user's cache folder.
            progress: Whether to draw progress bars on stderr.
            reading: What to leave out of a SOURCE, and how its images are read. Bands and scale are the model's own.

        Returns:
            The fitted model.

        Raises:
            InfoMaxError: There is no model, or its files do not fit together.

        """
        run = Run(path)
        config, weights = run.read_config(), run.read_weights()
        recipe = recipe_from_config(config["recipe"])
        model = cls(recipe, device=device, seed=config["seed"], cache=cache, progress=progress, reading=reading)
        model.recipe_, model.config_ = recipe, config
        try:
            model._restore(weights)
        except RuntimeError:
            raise InfoMaxError(f"{run.weights_file} does not fit {run.config_file}: fit again") from None
        return model

    @property
    def _n_features_out(self) -> int:
        return self.recipe_.dim

    @property
    def _loading(self) -> dict[str, Any]:
        shown = self.progress and Distributed.of_environment().first
        return {"cache": None if self.cache is None else Path(self.cache), "progress": shown}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle weights instead of modules, as `save` does: an objective holds functions that no pickle takes."""
        if not self.__sklearn_is_fitted__():
            return vars(self)
        learned = ("encoder_", "objective_")
        return {name: each for name, each in vars(self).items() if name not in learned} | {"_pickled": self._weights()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("_pickled", None)
        vars(self).update(state)
        if weights is not None:
            self._restore(weights)

    def _weights(self) -> dict[str, Tensor]:
        """The tensors of encoder and objective, by their names in model.safetensors."""
        parts = self._parts().items()
        return {f"{name}.{key}": weight for name, part in parts for key, weight in part.state_dict().items()}

    def _restore(self, weights: Mapping[str, Tensor]) -> None:
        """Make encoder and objective by the recipe and load their weights."""
        self.encoder_, self.objective_ = _initialized(self.recipe_, 0)
        for name, part in self._parts().items():
            prefix = f"{name}."
            part.load_state_dict({key.removeprefix(prefix): w for key, w in weights.items() if key.startswith(prefix)})
            part.eval()

    def _parts(self) -> dict[str, nn.Module]:
        """The modules with weights, by their prefix in model.safetensors."""
        encoder: dict[str, nn.Module] = {"encoder": self.encoder_}
        return encoder if self.objective_ is None else encoder | {"objective": self.objective_}


def _initialized(recipe: Recipe, seed: int) -> tuple[Encoder, Objective | None]:
    """Make a new encoder and objective from the seed, and leave the global random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every GPU too
        return recipe.encoder(), recipe.objective()
