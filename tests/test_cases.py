"""Bug reports of other tools: what their generators make comes out right, or is refused in one clear line.

The generators are in ../shared/cases; without them only the table is tested. It names the test of each case, here or
beside the tests of its room, and the tests of situations of the same kind.
"""

import math
import runpy
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from infomax import Index, InfoMax, InfoMaxError, estimate_mi
from infomax.images import load_images, open_source
from infomax.information.estimation import cross_fit
from tests.conftest import SMALL, Infomax, colored
from tests.search.test_duplicates import least_of, names

TESTS = Path(__file__).parent
CASES = TESTS.parents[1] / "shared" / "cases"
HERE = "test_cases.py"

TESTED: dict[str, tuple[str, ...]] = {
    "list_of_files": (
        f"{HERE}::test_list_of_files",
        "images/test_items.py::test_every_container_gives_the_same_rows",
        "images/test_items.py::test_items_of_all_kinds_are_mixed",
        "cli/test_sources.py::test_a_text_file_keeps_its_order",
    ),
    "one_file_by_two_paths": (
        "cli/test_index.py::test_one_file_by_two_paths_has_one_row",
        "search/test_identity.py::test_a_folder_reached_through_a_link",
        "search/test_identity.py::test_rows_of_one_table_are_different_images_and_those_of_a_linked_table_are_not",
        "search/test_duplicates.py::test_two_paths_of_one_file_are_no_duplicates",
    ),
    "renamed_since": (
        "cli/test_index.py::test_a_renamed_file_keeps_its_row_and_a_deleted_one_is_left_out",
        "cli/test_duplicates.py::test_what_was_renamed_since_is_neither_kept_nor_moved",
        "cli/test_index.py::test_a_folder_that_no_longer_exists_is_pruned",
        "search/test_presence.py::test_a_link_to_nothing_is_gone_and_a_link_is_its_target",
    ),
    "dissolve": (
        f"{HERE}::test_dissolve",
        "search/test_duplicates.py::test_a_pan_over_a_wide_scene_is_no_chain",
        "copies/test_same_image.py::test_steps_of_a_dissolve_that_differ_by_a_fifth_are_not_the_same",
        "search/test_duplicates.py::test_what_is_said_of_a_group_holds_for_all_its_pairs",
    ),
    "phone_folder": (
        "images/test_census.py::test_a_phone_folder_is_counted_and_listed",
        "images/test_census.py::test_other_photos_and_drawings_are_listed",
        "images/test_census.py::test_a_folder_of_such_photos_alone_says_what_to_install",
        "images/test_census.py::test_every_file_is_an_image_or_counted",
    ),
    "dim_microscopy": (
        "decoding/test_depth.py::test_dim_microscopy_keeps_its_contrast",
        "cli/test_left_out.py::test_model_index_and_queries_share_the_scale_of_dim_images",
        "decoding/test_depth.py::test_float_images_share_one_scale",
        "decoding/test_depth.py::test_one_hot_pixel_does_not_set_the_scale",
    ),
    "mi_one_wrong": (
        f"{HERE}::test_mi_one_wrong",
        "information/estimation/test_estimate.py::test_a_few_gross_outliers_take_little",
        "information/estimation/test_estimate.py::test_a_column_that_is_constant_but_for_one_row_carries_nothing",
        "information/estimation/test_estimate.py::test_copies_of_rows_are_no_information",
    ),
    "mi_masked": (
        f"{HERE}::test_mi_masked",
        "information/estimation/test_samples.py::test_missing_rows_are_dropped_as_asked_and_counted",
        "information/estimation/test_matrix.py::test_rows_are_dropped_for_each_pair_by_itself",
        "information/estimation/test_estimate.py::test_an_array_with_an_empty_mask_is_an_array",
    ),
    "label_minus_one": (
        f"{HERE}::test_label_minus_one",
        "images/test_parquet_columns.py::test_a_negative_class_is_no_label",
        "images/test_parquet_columns.py::test_labels_are_found_by_name",
        "cli/test_sources.py::test_classes_of_minus_one_are_no_labels",
    ),
    "arrays_and_objects": (
        f"{HERE}::test_arrays_and_objects",
        "images/test_items.py::test_one_image_in_memory_is_a_collection_of_one",
        "images/test_items.py::test_a_pil_image_is_what_its_file_is",
        "images/test_items.py::test_a_list_of_something_else_is_one_line",
    ),
    "sklearn_face": (
        f"{HERE}::test_sklearn_face",
        "test_sklearn.py::test_an_estimator_check_of_scikit_learn",
        "test_sklearn.py::test_a_grid_sets_any_setting_of_a_recipe",
        "test_sklearn.py::test_ctrl_c_is_a_keyboard_interrupt",
    ),
    "nameless_user": (
        "test_machines.py::test_a_user_without_a_name_goes_on_with_a_temporary_folder",
        "test_machines.py::test_a_cache_that_may_not_be_written_to_is_replaced",
        "test_machines.py::test_an_unknown_home_is_one_line",
        "test_machines.py::test_a_file_whose_name_begins_with_a_tilde",
    ),
    "paths_in_parquet": (
        f"{HERE}::test_paths_in_parquet",
        "images/test_parquet_columns.py::test_every_layout_of_images_is_read",
        "images/test_parquet_columns.py::test_absolute_paths_and_what_is_no_file",
        "images/test_parquet_columns.py::test_a_changed_file_beside_a_table_is_noticed",
    ),
    "data_set_folder": (
        f"{HERE}::test_data_set_folder",
        "images/test_data_set.py::test_several_splits_are_listed_with_what_to_type",
        "images/test_data_set.py::test_images_come_before_tables",
        "images/test_data_set.py::test_a_clone_without_its_files",
    ),
    "behind_a_proxy": (
        "web/test_proxies.py::test_page_files_and_uploads_pass_through_a_proxy",
        "web/test_proxies.py::test_without_the_option_each_refusal_names_it",
        "web/test_proxies.py::test_a_foreign_page_is_refused",
        "web/test_proxies.py::test_a_path_needs_its_final_slash",
    ),
    "nas_thumbnails": (
        "images/test_exclusion.py::test_thumbnails_of_a_nas_are_passed_over_and_counted",
        "images/test_exclusion.py::test_folders_that_systems_keep_are_passed_over",
        "images/test_exclusion.py::test_patterns_name_files_folders_and_paths",
        "cli/test_index.py::test_what_was_excluded_once_is_left_out_again",
    ),
    "copies_of_many_kinds": (
        f"{HERE}::test_copies_of_many_kinds",
        "copies/test_same_image.py::test_a_copy_is_its_image_and_no_other",
        "copies/test_same_image.py::test_mirrored_turned_and_framed_copies_are_found_when_asked_for",
        "copies/test_same_image.py::test_another_image_is_not_the_same",
    ),
}
"""The test of each case, and those of its siblings."""

needs_generators = pytest.mark.skipif(not CASES.is_dir(), reason="needs the generators in ../shared/cases")


@pytest.mark.parametrize("case", TESTED)
def test_a_case_has_a_test_and_two_siblings(case: str) -> None:
    assert len(TESTED[case]) >= 3
    for place in TESTED[case]:
        file, name = place.split("::")
        assert f"def {name}(" in (TESTS / file).read_text(), place


@needs_generators
def test_every_generator_is_in_the_table() -> None:
    assert {file.stem for file in CASES.glob("*.py")} == TESTED.keys()


@pytest.fixture
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the generator of a test's name makes."""
    script = CASES / f"{request.node.originalname.removeprefix('test_')}.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path / "out")])
    runpy.run_path(str(script), run_name="__main__")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def model() -> InfoMax:
    return InfoMax(SMALL, device="cpu").fit(colored(40))


@needs_generators
def test_list_of_files(out: Path, model: InfoMax) -> None:
    files = [out / f"{name}.png" for name in ("zebra", "apple", "pear", "apple", "mango")]
    one_by_one = np.concatenate([model.transform(file) for file in files])
    for source in (files, [str(file) for file in files], out / "list.txt"):
        np.testing.assert_allclose(model.transform(source), one_by_one, rtol=1e-4, atol=1e-5)


@needs_generators
def test_dissolve(out: Path, model: InfoMax, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "x.index", model, device="cpu").add(out)
    groups = index.duplicates(kinds=["same image", "near"])
    assert groups
    for group in groups:
        steps = [int(Path(image.path).stem) for image in group.images]
        assert max(steps) - min(steps) < 10
        assert group.similarity == pytest.approx(least_of(index, group), abs=1e-6)


@needs_generators
@pytest.mark.parametrize("pair", ["x100 y100", "outlier_x outlier_y", "outlier_y outlier_x"])
def test_mi_one_wrong(out: Path, monkeypatch: pytest.MonkeyPatch, pair: str) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 20)
    x, y = (np.load(out / f"{name}.npy") for name in pair.split())
    found = estimate_mi(x, y)
    assert math.log(len(x)) - 1 < found.value <= found.ceiling == pytest.approx(math.log(len(x)))
    assert found.standard_error < 1


@needs_generators
def test_mi_masked(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 20)
    values, mask, y = (np.load(out / f"{name}.npy") for name in ("values", "mask", "y"))
    x: np.ndarray = np.ma.masked_array(values, mask)
    with pytest.raises(ValueError, match=f"x has {mask.sum()} masked values: remove their rows"):
        estimate_mi(x, y)
    assert estimate_mi(x, y, missing="drop").value == pytest.approx(1.3, abs=0.15)


@needs_generators
def test_label_minus_one(out: Path, model: InfoMax, tmp_path: Path, infomax: Infomax) -> None:
    model.save(tmp_path / "run")
    words = ("embed", out / "half.parquet", "--model", tmp_path / "run", "--out", tmp_path / "v.parquet")
    assert infomax(*words).code == 0
    labels = pq.read_table(tmp_path / "v.parquet")["label"].to_pylist()
    assert labels == [("cat", "", "hen", "", "dog", "")[row % 6] for row in range(24)]
    assert open_source(out / "hidden.parquet").labels() in (None, [None] * 24)
    judged = infomax("evaluate", out / "half.parquet", "--model", tmp_path / "run", "-k", 3).stdout
    assert "12 images without a label left out" in judged
    assert "\n3 labels; " in judged
    hidden = infomax("evaluate", out / "hidden.parquet", "--model", tmp_path / "run", "-k", 3).stdout
    assert "the images have no labels, so no accuracies" in hidden


@needs_generators
def test_arrays_and_objects(out: Path, model: InfoMax, tmp_path: Path) -> None:
    arrays = {file.stem: np.load(file) for file in out.glob("*.npy")}
    batch = arrays["batch"]
    expected = model.transform(batch)
    images = [Image.fromarray(each) for each in batch]
    files = []
    for number, image in enumerate(images):
        files.append(tmp_path / f"{number:02}.png")
        image.save(files[-1])
    for same in (
        *(arrays["unit_floats"], arrays["channels_first"], list(batch), images, torch.from_numpy(batch)),
        *((file for file in files), arrays["one"][None]),
    ):
        found = model.transform(same)
        np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-3, atol=1e-4)
    assert model.transform(arrays["masks"]).shape == expected.shape
    for refused, line in (("one", r"\[None\]"), ("sixteen_bits", "uint16")):
        with pytest.raises(InfoMaxError, match=line) as raised:
            model.transform(arrays[refused])
        assert "\n" not in str(raised.value)
    index = Index.create(tmp_path / "x.index", model, device="cpu").add(files)
    assert [match.image.path for match in index.search(images[5], k=1)] == [str(files[5])]


@needs_generators
def test_sklearn_face(out: Path) -> None:
    x, y = np.load(out / "x.npy"), np.load(out / "y.npy")
    model = InfoMax(SMALL, epochs=1, device="cpu")
    assert clone(InfoMax("spectral-fast", seed=3)).get_params() == InfoMax("spectral-fast", seed=3).get_params()
    assert repr(InfoMax(seed=3)) == "InfoMax(seed=3)"
    assert model.fit_transform(x).shape == (60, SMALL.dim)
    pipeline = make_pipeline(clone(model), KNeighborsClassifier(3))
    assert 0.5 < pipeline.fit(x, y).score(x, y) <= 1
    search = GridSearchCV(pipeline, {"infomax__seed": [0, 1]}, cv=2).fit(x, y)
    assert search.best_params_["infomax__seed"] in (0, 1)


@needs_generators
def test_paths_in_parquet(out: Path) -> None:
    expected = load_images([out / "files" / f"{number}.png" for number in range(24)], 16).pixels
    for name in ("data", "strings"):
        images = load_images(out / f"{name}.parquet", 16)
        assert np.array_equal(images.pixels, expected)
        assert images.labels == [str(row % 3) for row in range(24)]
        assert images.skipped == []


@needs_generators
def test_data_set_folder(out: Path) -> None:
    with pytest.raises(InfoMaxError, match=r"is a data set of 2 splits: give one of them in quotes .*train-\*"):
        open_source(out)
    shards = sorted((out / "data").glob("train-*.parquet"))
    quoted = open_source(f"{out}/data/train-*.parquet")
    assert open_source(shards).paths() == quoted.paths()
    assert len(quoted.paths()) == 60
    (out / "data" / "test-00000-of-00001.parquet").unlink()
    images = load_images(out, 16)
    assert images.labels == [("cat", "dog", "hen")[row % 20 % 3] for row in range(60)]


@needs_generators
def test_copies_of_many_kinds(out: Path, model: InfoMax, tmp_path: Path) -> None:
    files = [file for file in sorted(out.iterdir()) if file.name[0] in "01"]  # two of the six images will do
    index = Index.create(tmp_path / "x.index", model, device="cpu").add(files)
    found = ["bright.png", "crop.png", "grey.png", "mark.png", "original.png", "q30.jpg", "small.png"]
    by_default = [[name for name in group if "framed" not in name] for group in names(index.duplicates())]
    assert by_default == [[f"{number}_{name}" for name in found] for number in range(2)]  # a thin frame may pass
    asked = ["framed", "letterboxed", "mirrored", "turned"]
    groups = index.duplicates(mirrored=True, turned=True, framed=True)
    every = sorted([*found, *(f"{name}.png" for name in asked)])
    assert names(groups) == [[f"{number}_{name}" for name in every] for number in range(2)]
    for group in groups:
        words = {Path(image.path).stem[2:]: word for image, word in zip(group.images, group.changes, strict=True)}
        assert (words["mirrored"], words["turned"], words["letterboxed"]) == ("mirrored", "turned", "framed")
