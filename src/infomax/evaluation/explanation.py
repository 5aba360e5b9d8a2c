"""Where a match comes from: pointwise mutual information of the positions of one image and the code of another.

The local critic learned to tell, by an image's code, the features that lie in the image from those that do not. Its
score stands for a density ratio, whose logarithm in nats says how much more often this feature goes with this code than
chance would have it: the pointwise information inside the article's eq. (1).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infomax.devices import choose_device
from infomax.errors import InfoMaxError
from infomax.information.critics import Critic
from infomax.information.divergences import DIVERGENCES, PEARSON_CHI2, TOTAL_VARIATION
from infomax.model import InfoMax
from infomax.representation.encoders import Representation, SpectralEncoder
from infomax.representation.objectives import Local

Squares = UInt8[np.ndarray, "n s s 3"]
Reference = UInt8[np.ndarray, "m s s 3"]
Heat = Float[np.ndarray, "h w"]

LEAST_RATIO = 0.01


@dataclass(frozen=True)
class Explanation:
    """Pointwise information in nats, four maps over the grid of positions.

    Above 0 the position goes with the code more often than chance, below 0 less often. The maps of an image with its
    own code say how much there is to be had.
    """

    query_by_match: Heat
    match_by_query: Heat
    query_by_itself: Heat
    match_by_itself: Heat


def explain(
    model: InfoMax,
    query: UInt8[np.ndarray, "s s 3"],
    match: UInt8[np.ndarray, "s s 3"],
    reference: Reference | None = None,
) -> Explanation:
    """The maps for two images as the model takes them. Arguments and errors as for local_scores."""
    maps = local_scores(
        model, np.stack([query, match, query, match]), np.stack([match, query, query, match]), reference
    )
    return Explanation(*maps)


def local_scores(
    model: InfoMax, images: Squares, others: Squares, reference: Reference | None = None
) -> Float[np.ndarray, "n h w"]:
    """Log p(feature, code) / (p(feature) p(code)) in nats, of each position of image i with the code of other i.

    A model in closed form has a critic of cells and whole images in place of codes; where its density ratio is below
    LEAST_RATIO, as a ratio fitted by least squares may be, it counts as that.

    Otherwise the code is the posterior mean. A score of an f-divergence is a density ratio by itself. One of InfoNCE
    lacks a constant of each code, one of Donsker-Varadhan or SMILE a common one: there the score is made a ratio that
    averages to 1 over features of `reference`, images of the kind the model was trained on, and is as good as those
    are many.

    Raises InfoMaxError for a model without a local critic, or one whose score is no ratio, and where a reference is
    needed and missing.
    """
    device = choose_device(model.device)
    if isinstance(model.encoder_, SpectralEncoder):
        return _closed_form_scores(model.encoder_.to(device).eval(), images, others, device)
    local = _local_objective(model).to(device)
    codes = _represent(model, others, device).mean
    with torch.inference_mode():
        features = _represent(model, images, device)
        scores = local.critic(codes.unsqueeze(1), _on_main_grid(features))
        if (divergence := DIVERGENCES.get(local.bound.name)) is not None:
            ratios = divergence.log_ratio(scores)
        elif reference is None:
            raise InfoMaxError(
                f"a score of {local.bound.name} is a log ratio but for a constant, which other images tell: "
                "give a reference, a few hundred images such as the model was trained on"
            )
        else:
            background = _represent(model, reference, device)
            common = local.bound.name != "infonce"
            chosen = background.mean if common else codes
            constants = _log_partitions(local.critic, chosen, _on_main_grid(background), paired=common)
            ratios = scores - (_log_mean_exp(constants) if common else constants).unsqueeze(-1)
    maps: Float[np.ndarray, "n h w"] = ratios.reshape(-1, *features.grid).cpu().double().numpy()
    return maps


@torch.inference_mode()
def _closed_form_scores(
    encoder: SpectralEncoder, images: Squares, others: Squares, device: torch.device
) -> Float[np.ndarray, "n h w"]:
    scores = encoder.scores(*(torch.from_numpy(np.array(each)).to(device) for each in (images, others)))
    ratios = PEARSON_CHI2.log_ratio(scores).clamp(min=math.log(LEAST_RATIO))
    maps: Float[np.ndarray, "n h w"] = ratios.reshape(len(ratios), encoder.grid, encoder.grid).cpu().double().numpy()
    return maps


def _local_objective(model: InfoMax) -> Local:
    """The part of the objective that has the local critic."""
    parts = [] if model.objective_ is None else model.objective_.modules()
    local = next((part for part in parts if isinstance(part, Local)), None)
    if local is None:
        raise InfoMaxError(
            "this model has no local critic, for it was trained with beta 0: fit another with beta above 0"
        )
    if local.bound.name == TOTAL_VARIATION.name:
        raise InfoMaxError(
            "a score of total-variation tells whether two things go together, not by how many nats: "
            "fit a model with another divergence"
        )
    return local


@torch.inference_mode()
def _represent(model: InfoMax, images: Squares, device: torch.device) -> Representation:
    """What the encoder says of a few hundred images."""
    representation: Representation = model.encoder_.to(device).eval()(torch.from_numpy(np.array(images)).to(device))
    return representation


def _on_main_grid(representation: Representation) -> Float[Tensor, "n positions c"]:
    """The features of the main grid, where an encoder has others besides."""
    rows, columns = representation.grid
    return representation.local[:, : rows * columns]


def _log_partitions(
    critic: Critic, codes: Float[Tensor, "n d"], features: Float[Tensor, "m positions c"], *, paired: bool
) -> Float[Tensor, " n"]:
    """Log E exp v of each code over the features of all images; where they are `paired`, of all but its own."""
    embedded, constants = critic.embed_y(features), []
    for row, code in enumerate(critic.embed_x(codes)):  # one by one: a critic may need much memory for a pair
        others = torch.cat([embedded[:row], embedded[row + 1 :]]) if paired else embedded
        constants.append(_log_mean_exp(critic.score_all(code.unsqueeze(0), others.flatten(0, 1)).squeeze(0)))
    return torch.stack(constants)


def _log_mean_exp(scores: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    return scores.logsumexp(-1) - math.log(scores.shape[-1])
