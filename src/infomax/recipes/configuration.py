"""The content of config.json: all that the result of a training depends on."""

import platform
from pathlib import Path
from typing import Any

import torch

from infomax.errors import InfoMaxError
from infomax.images.census import count_left_out
from infomax.kinds.kind import Loaded
from infomax.recipes.recipe import Recipe
from infomax.recipes.registry import recipe_from_config
from infomax.training.context import TrainingContext
from infomax.training.run_folder import Run
from infomax.version import __version__


def configuration(recipe: Recipe, described: str, items: Loaded, context: TrainingContext) -> dict[str, Any]:
    """Put together config.json: all that the result depends on.

    Args:
        recipe: The recipe in full.
        described: The SOURCE, as it is called in messages.
        items: What it was learned from, as loaded.
        context: Where the training computes.

    Returns:
        The content of config.json.

    """
    return {
        "format": Run.FORMAT,
        "recipe": recipe.to_dict(),
        "seed": context.seed,
        "device": str(context.device),
        "world_size": context.distributed.world_size,
        "precision": "bfloat16" if context.bfloat16 else "float32",
        "threads": torch.get_num_threads(),
        "versions": {"infomax": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "data": {
            "source": described,
            "images": len(items.examples),
            "skipped": len(items.skipped),
            "fingerprint": items.fingerprint,
            "left_out": count_left_out(items.skipped, items.census),
        },
        "reading": items.options.to_dict(),
    }


def config_to_resume(out: str | Path | None, *, overwrite: bool) -> dict[str, Any]:
    """Read the config.json of a run to resume; a setting that the run does not know yet had its default then.

    Args:
        out: The folder of the training.
        overwrite: Whether the run is to be replaced, which is refused.

    Returns:
        The content of config.json, with all settings of the recipe.

    Raises:
        InfoMaxError: There is no run, its config.json is damaged, or it is to be replaced.

    """
    if out is None or overwrite:
        raise InfoMaxError("resume continues the run in `out`: give that folder, and do not overwrite it")
    config = Run(out).read_config()
    return config | {"recipe": recipe_from_config(config["recipe"]).to_dict()}
