"""Altered copies: raw pixels of different images find a blurred copy; duplicates of the original count."""

import numpy as np

from infomax import InfoMax
from infomax.evaluation.altered_copies import ALTERATIONS, find_altered_copies
from tests.conftest import SMALL, colored
from tests.evaluation.conftest import scenes


def test_rates_by_code_and_by_pixels() -> None:
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    images = scenes(30, 8)
    found = find_altered_copies(model, images, model.encode(images))
    again = find_altered_copies(model, images, model.encode(images))
    assert found.to_dict() == again.to_dict()
    document = found.to_dict()
    assert (document["images"], document["queries"]) == (30, 30)
    assert document["pixels"]["jpeg"] > 0.9
    for name in ("code", "pixels"):
        rates = document[name]
        assert rates["all"] == np.mean([rates[alteration] for alteration in ALTERATIONS])
        low, high = rates["interval"]
        assert low < rates["all"] < high or rates["all"] in (0, 1)


def test_either_of_two_equal_originals_counts() -> None:
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    images = scenes(10, 8)
    once = find_altered_copies(model, images, model.encode(images), seed=1).to_dict()
    twice = np.concatenate([images, images])
    both = find_altered_copies(model, twice, model.encode(twice), seed=1).to_dict()
    assert both["pixels"]["jpeg"] == once["pixels"]["jpeg"] == 1


def test_codes_that_are_all_equal_find_the_first_of_equals() -> None:
    """A collapsed model finds its original only as far as every image is equal to it."""
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    images = scenes(10, 8)
    far = np.eye(10, 8, dtype=np.float32) - 2
    found = find_altered_copies(model, images, np.where(np.arange(10)[:, None] == 0, model.encode(images), -far))
    assert all(each[1:].mean() <= 0.5 for each in found.code.values())
