"""Machines that differ from a developer's: no home, no name, no room, no terminal, streams that are closed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import infomax as infomax_package
from infomax import Index, InfoMax, InfoMaxError, load_images
from infomax.errors import InfoMaxWarning
from infomax.images import cache_place
from infomax.paths import expand_home
from tests.conftest import SMALL, SMALL_RECIPE, Infomax, Outcome, colored, environment
from tests.images.conftest import put

NOBODY = 54321  # a uid that no passwd file has
Machine = Callable[..., Outcome]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tests of Linux machines")
as_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root may become somebody else, by setpriv"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter and write to; pytest's own are for its user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    for name in ("photos", "~old"):
        for number, pixels in enumerate(colored(12)):
            put(folder / name / f"{number}.png", pixels)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def run_of(place: Path) -> Path:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=place / "run")
    return place / "run"


def as_user(uid: int | None) -> list[str]:
    """The start of a command of another user. It may read Python wherever that is, and write nowhere else."""
    if uid is None:
        return []
    reads = ["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"]
    bounds = ["--bounding-set", "-all,+dac_read_search"]
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *reads, *bounds]


def command(place: Path, *words: object, uid: int | None = None, shell: str = "", **variables: str | None) -> Outcome:
    """Run infomax in the folder; None removes a variable, `shell` is put around it as a shell would."""
    source = Path(infomax_package.__file__).parents[1]
    wanted: dict[str, str | None] = {
        **environment(place / "cache"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONPATH": str(source),
        **variables,
    }
    (place / "tmp").mkdir(exist_ok=True)
    (place / "tmp").chmod(0o1777)
    words = (*as_user(uid), sys.executable, "-m", "infomax", *words)
    line = ["sh", "-c", f'"$@" {shell}', "sh", *map(str, words)] if shell else list(map(str, words))

    ended = subprocess.run(
        line,
        cwd=place,
        env={name: value for name, value in wanted.items() if value is not None},
        capture_output=True,
        timeout=300,
    )
    return Outcome(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))


NAMELESS = {"uid": NOBODY, "HOME": None, "INFOMAX_CACHE": None, "XDG_CACHE_HOME": None, "USER": None, "LOGNAME": None}


def lines(outcome: Outcome) -> list[str]:
    return [line for line in outcome.stderr.splitlines() if line.startswith("infomax: ") and "decoding" not in line]


@as_root
def test_a_user_without_a_name_goes_on_with_a_temporary_folder(place: Path, run_of: Path) -> None:
    """It is said once, in a line that names INFOMAX_CACHE, and found again by the next command."""
    fitted = command(place, "fit", "photos", "--out", "new", *SMALL_RECIPE, "--device", "cpu", **NAMELESS)  # type: ignore[arg-type]
    assert fitted.code == 0, fitted
    warnings = [line for line in fitted.stderr.splitlines() if "INFOMAX_CACHE" in line]
    assert warnings == [
        f"infomax: warning: no home folder for prepared images: they are kept in '{place}/tmp/infomax-{NOBODY}' until "
        "the system clears it; set INFOMAX_CACHE to a folder that you may write to"
    ]
    assert len(list((place / "tmp" / f"infomax-{NOBODY}" / "images").iterdir())) == 1
    embedded = command(place, "embed", "~old", "--model", "run", "--out", "v.parquet", **NAMELESS)  # type: ignore[arg-type]
    assert (embedded.code, embedded.stdout) == (0, "12 vectors of 8 numbers are in v.parquet\n"), embedded
    cifar = command(place, "embed", "cifar10", "--model", "run", "--out", "c.parquet", **NAMELESS).failure  # type: ignore[arg-type]
    assert "set INFOMAX_DATA to the folder that holds cifar10/" in cifar
    home = command(place, "embed", "~/photos", "--model", "run", "--out", "c.parquet", **NAMELESS).failure  # type: ignore[arg-type]
    assert "HOME is not set, so nobody knows this home folder" in home
    for unnamed in (fitted, embedded):
        assert "Traceback" not in unnamed.stderr
        assert "atplotlib" not in unnamed.stderr


@as_root
@pytest.mark.parametrize("chosen", ["INFOMAX_CACHE", "HOME", "XDG_CACHE_HOME"])
def test_a_cache_that_may_not_be_written_to_is_replaced(place: Path, run_of: Path, chosen: str) -> None:
    (place / "locked").mkdir(mode=0o755)
    variables = {**NAMELESS, chosen: str(place / "locked")}
    done = command(place, "embed", "photos", "--model", "run", "--out", "v.parquet", **variables)  # type: ignore[arg-type]
    assert done.code == 0, done
    (warning,) = [line for line in done.stderr.splitlines() if "INFOMAX_CACHE" in line]
    assert "(Permission denied): they are kept in" in warning


@as_root
def test_without_any_folder_to_write_to_there_is_one_line(place: Path, run_of: Path) -> None:
    (place / "locked").mkdir(mode=0o755)
    (place / "locked" / "infomax-54321").write_bytes(b"in the way")
    program = (
        "import tempfile, os; tempfile.tempdir = os.path.abspath('locked');"
        "from infomax import load_images, InfoMaxError\n"
        "try: load_images('photos', 8)\nexcept InfoMaxError as error: print(error)"
    )
    ended = subprocess.run(
        [*as_user(NOBODY), sys.executable, "-c", program],
        cwd=place,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(infomax_package.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ended.stdout.startswith("no home folder for prepared images, and no temporary one either"), ended
    assert ended.stdout.endswith("set INFOMAX_CACHE to a folder that you may write to\n")


def test_a_temporary_cache_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = tmp_path / f"infomax-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    assert cache_place.known_temporary_cache() is None
    with pytest.warns(InfoMaxWarning, match="set INFOMAX_CACHE"):
        own = cache_place.temporary_cache("no home")
    assert own != taken
    assert own.stat().st_mode & 0o077 == 0
    taken.chmod(0o700)
    assert cache_place.known_temporary_cache() == taken
    taken.rmdir()
    taken.symlink_to(own)
    assert cache_place.known_temporary_cache() is None


def test_a_clock_that_is_set_back_hides_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "photos" / "0.png", colored(1)[0])
    load_images(tmp_path / "photos", 8)
    monkeypatch.setattr("time.time_ns", lambda: 1)
    put(tmp_path / "photos" / "1.png", colored(2)[1])
    assert len(load_images(tmp_path / "photos", 8).pixels) == 2
    monkeypatch.setattr("infomax.images.loading.write_cache", None)  # what was prepared then is found again
    assert len(load_images(tmp_path / "photos", 8).pixels) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "~nobody-here", "--model", "run", "--out", "v.parquet"],
        ["embed", "digits", "--model", "~nobody-here", "--out", "v.parquet"],
        ["embed", "digits", "--model", "run", "--out", "~nobody-here/v.parquet"],
        ["fit", "digits", "--out", "~nobody-here/run"],
        ["index", "digits", "--index", "~nobody-here/i", "--model", "run"],
        ["search", "~nobody-here/a.png", "--index", "~nobody-here/i"],
        ["serve", "--index", "~nobody-here/i"],
        ["montage", "digits", "--model", "run", "--out", "~nobody-here/m.png"],
    ],
)
def test_an_unknown_home_is_one_line(
    infomax: Infomax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    failure = infomax(*words).failure
    assert "there is no user 'nobody-here', so nobody knows this home folder; give the whole path" in failure
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_homes_are_expanded_in_paths_and_options(
    infomax: Infomax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves `--out=~/file` alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    InfoMax(SMALL, device="cpu").fit(colored(40), out="~/run")
    assert infomax("embed", "digits:test", "--model=~/run", "--out=~/v.parquet").code == 0
    assert (tmp_path / "v.parquet").is_file()
    assert InfoMax.load("~/run", device="cpu").recipe_.dim == 8
    assert len(Index.create("~/i", "~/run", device="cpu").add("digits:test")) == 450
    assert infomax("outliers", "--index=~/i", "--json=~/o.json").code == 0
    assert len(json.loads((tmp_path / "o.json").read_text())["outliers"]) == 20
    assert not (tmp_path / "~").exists()


def test_a_file_whose_name_begins_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InfoMaxError, match="there is no user 'old'"):
        expand_home("~old")
    assert expand_home("./~old") == Path("~old")
    (tmp_path / "~old").mkdir()
    assert expand_home("~old") == Path("~old")


@pytest.mark.parametrize(
    ("variables", "shell"),
    [
        ({"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
        ({"COLUMNS": "0", "TERM": "dumb"}, ""),
        ({"COLUMNS": "1", "NO_COLOR": "1"}, ""),
        ({}, "<&-"),
        ({}, "2>&-"),
        ({"MPLCONFIGDIR": None, "HOME": "/proc/nowhere"}, ""),
        ({"TMPDIR": "/nowhere"}, ""),
    ],
)
def test_odd_surroundings_change_nothing(
    place: Path, run_of: Path, variables: dict[str, str | None], shell: str
) -> None:
    put(place / "photos" / os.fsdecode(b"caf\xe9.png"), colored(1, seed=5)[0])
    put(place / "photos" / "日本.png", colored(1, seed=6)[0])
    done = command(place, "index", "photos", "--index", "i", "--model", "run", shell=shell, **variables)  # type: ignore[arg-type]
    assert (done.code, done.stdout) == (0, "added 14, updated 0, unchanged 0, removed 0, skipped 0\n"), done
    assert "Traceback" not in done.stderr
    helped = command(place, "--help", shell=shell, **variables)  # type: ignore[arg-type]
    assert helped.code == 0
    assert "Traceback" not in helped.stderr


@pytest.mark.parametrize("shell", ["| head -n 1", "| true", ">&-", "<&- >&- 2>&-", "| head -c 1"])
def test_a_reader_that_leaves_early_sees_no_traceback(place: Path, run_of: Path, shell: str) -> None:
    Index.create(place / "i", run_of, device="cpu").add(place / "photos")
    done = command(place, "outliers", "--index", "i", "-n", 12, "--json", "-", shell=shell)
    assert done.stderr == ""


def test_a_full_stdout_is_one_line(place: Path, run_of: Path) -> None:
    Index.create(place / "i", run_of, device="cpu").add(place / "photos")
    done = command(place, "outliers", "--index", "i", shell="> /dev/full; exit $?")
    assert done.code == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_names_that_are_too_long_are_one_line(infomax: Infomax, tmp_path: Path) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(40), out=tmp_path / "run")
    long = "n" * 300
    for words in (
        ("embed", tmp_path / long, "--model", tmp_path / "run", "--out", tmp_path / "v.parquet"),
        ("embed", "digits:test", "--model", tmp_path / "run", "--out", tmp_path / long),
        ("fit", "digits:test", "--out", tmp_path / long),
        ("search", tmp_path / long, "--index", tmp_path / long),
    ):
        assert "File name too long" in infomax(*words).failure


def test_a_private_umask_and_a_read_only_folder(place: Path, run_of: Path) -> None:
    before = os.umask(0o077)
    try:
        assert command(place, "embed", "photos", "--model", "run", "--out", "v.parquet").code == 0
    finally:
        os.umask(before)
    if os.getuid() == 0 and shutil.which("setpriv") is not None:
        place.chmod(0o755)
        refused = command(place, "embed", "photos", "--model", "run", "--out", "w.parquet", uid=NOBODY).failure
        assert "Permission denied: w.parquet: choose a place that you may write to" in refused
