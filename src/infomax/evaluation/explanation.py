"""Explanation of a match: pointwise mutual information of the positions of one image and the code of another.

The local critic learned to tell, given the code of an image, features that lie in the image from features that do not.
Its score determines a density ratio. The logarithm of the ratio, in nats, says how much more often this feature occurs
with this code than by chance: the pointwise mutual information inside the integral of Su (2018), eq. 1,
https://kexue.fm/archives/6024.
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
from infomax.representation.objectives import LocalInfo

Images = UInt8[np.ndarray, "n s s 3"]
References = UInt8[np.ndarray, "m s s 3"]
NatsMap = Float[np.ndarray, "h w"]

_LEAST_RATIO = 0.01  # a density ratio fitted by least squares can fall to 0 and below


@dataclass(frozen=True)
class Explanation:
    """Pointwise mutual information in nats over the grid of positions: four maps, shape (h, w).

    Above 0 the position occurs with the code more often than by chance, below 0 less often. The maps of an image with
    its own code show how much information there is at most.

    Attributes:
        query_by_match: Positions of the query with the code of the match.
        match_by_query: Positions of the match with the code of the query.
        query_by_itself: Positions of the query with its own code.
        match_by_itself: Positions of the match with its own code.

    """

    query_by_match: NatsMap
    match_by_query: NatsMap
    query_by_itself: NatsMap
    match_by_itself: NatsMap


def explain(
    model: InfoMax,
    query: UInt8[np.ndarray, "s s 3"],
    match: UInt8[np.ndarray, "s s 3"],
    reference: References | None = None,
) -> Explanation:
    """Compute the four maps of a query and its match.

    Args:
        model: A fitted model.
        query: An image of the size that the model takes, shape (s, s, 3), uint8.
        match: Another image of that size.
        reference: Images of the kind that the model was trained on; see `local_scores`.

    Returns:
        The maps.

    Raises:
        InfoMaxError: The model has no usable local critic, or needs a reference; see `local_scores`.

    """
    maps = local_scores(
        model, np.stack([query, match, query, match]), np.stack([match, query, query, match]), reference
    )
    return Explanation(*maps)


def local_scores(
    model: InfoMax, images: Images, others: Images, reference: References | None = None
) -> Float[np.ndarray, "n h w"]:
    """Log p(feature, code) / (p(feature) p(code)) in nats: each position of image i with the code of other image i.

    A score of an f-divergence determines the density ratio. A score of InfoNCE lacks a constant for each code, a score
    of Donsker-Varadhan or SMILE lacks one constant for all. With these bounds the ratio is normalized to average 1 over
    the features of `reference`, so its accuracy depends on the number of reference images. The code is the posterior
    mean.

    A model in closed form has a critic of grid cells and whole images in place of a critic of codes. Its ratio is
    fitted by least squares and may be negative, so ratios below 0.01 count as 0.01.

    Args:
        model: A fitted model.
        images: Images whose positions are scored, shape (n, s, s, 3), uint8, of the size that the model takes.
        others: Images whose codes are used, of the same shape.
        reference: A few hundred images of the kind that the model was trained on; only needed for InfoNCE,
            Donsker-Varadhan and SMILE.

    Returns:
        Maps in nats, shape (n, h, w).

    Raises:
        InfoMaxError: The model has no local critic, its score determines no ratio, or a needed reference is missing.

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
                f"a score of {local.bound.name} lacks a constant, which is estimated from other images: "
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
    encoder: SpectralEncoder, images: Images, others: Images, device: torch.device
) -> Float[np.ndarray, "n h w"]:
    scores = encoder.scores(*(torch.from_numpy(np.array(each)).to(device) for each in (images, others)))
    ratios = PEARSON_CHI2.log_ratio(scores).clamp(min=math.log(_LEAST_RATIO))
    maps: Float[np.ndarray, "n h w"] = ratios.reshape(len(ratios), encoder.grid, encoder.grid).cpu().double().numpy()
    return maps


def _local_objective(model: InfoMax) -> LocalInfo:
    """The term of the objective that has the local critic."""
    if model.recipe_.kind == "backbone":
        raise InfoMaxError(
            "a head on a backbone compares whole images and has no local critic: explain a model of spectral-fast, say"
        )
    terms = [] if model.objective_ is None else model.objective_.modules()
    local = next((term for term in terms if isinstance(term, LocalInfo)), None)
    if local is None:
        raise InfoMaxError(
            "this model has no local critic because it was trained with beta 0: fit another with beta above 0"
        )
    if local.bound.name == TOTAL_VARIATION.name:
        raise InfoMaxError(
            "a score of total-variation says whether two things go together, not by how many nats: "
            "fit a model with another divergence"
        )
    return local


@torch.inference_mode()
def _represent(model: InfoMax, images: Images, device: torch.device) -> Representation:
    """Representation of a few hundred images in one batch."""
    representation: Representation = model.encoder_.to(device).eval()(torch.from_numpy(np.array(images)).to(device))
    return representation


def _on_main_grid(representation: Representation) -> Float[Tensor, "n positions c"]:
    """Features on the main grid; some encoders have further grids."""
    rows, columns = representation.grid
    return representation.local[:, : rows * columns]


def _log_partitions(
    critic: Critic, codes: Float[Tensor, "n d"], features: Float[Tensor, "m positions c"], *, paired: bool
) -> Float[Tensor, " n"]:
    """Log E exp(score) of each code over the features of all images; of all but its own image when `paired`."""
    embedded, constants = critic.embed_y(features), []
    for row, code in enumerate(critic.embed_x(codes)):  # one by one, because a critic may need much memory for a pair
        others = torch.cat([embedded[:row], embedded[row + 1 :]]) if paired else embedded
        constants.append(_log_mean_exp(critic.score_all(code.unsqueeze(0), others.flatten(0, 1)).squeeze(0)))
    return torch.stack(constants)


def _log_mean_exp(scores: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    return scores.logsumexp(-1) - math.log(scores.shape[-1])
