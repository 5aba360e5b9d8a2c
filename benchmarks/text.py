"""The closed form on texts beside TF-IDF, LSA and doc2vec at equal numbers: labels of Debian's packages, Lee's humans.

    python benchmarks/text.py debian [--lists FOLDER] [--texts 60000] [--dev] [--methods code,tf-idf,lsa,doc2vec]
    python benchmarks/text.py lee --gensim-data FOLDER
    python benchmarks/text.py cost 10000 100000 1000000      # time and memory by number of short texts

`debian` reads the descriptions of packages from apt's own lists and predicts their sections. Long descriptions are in
lists that `apt-get -o Acquire::Languages=en update` fetches. All packages of one source are in one half, so that no
description is tested on its neighbor. Every method learns from the training half alone. Settings were chosen with
--dev, which splits the training half again.
`lee` needs the files of gensim's test data: lee_background.cor, lee.cor and similarities0-1.txt, the mean judgments of
people. doc2vec needs gensim.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from _common import argument_parser, machine, peak_memory_mb

DIM = 256
Vectors = NDArray[np.float32]
Method = Callable[[Sequence[str], Sequence[str], int], tuple[Vectors, Vectors]]
"""Training texts, test texts and a seed -> the vectors of both."""


@dataclass(frozen=True)
class Package:
    """A package of Debian: which source it is built from, its section, and its description."""

    source: str
    section: str
    text: str


def packages(lists: Path, count: int) -> list[Package]:
    """Read packages, each name once, in an order that only their names give; long descriptions where apt has them."""
    long = {each["Description-md5"]: each["Description-en"] for each in paragraphs(lists, "*_Translation-en*")}
    found: dict[str, Package] = {}
    for fields in paragraphs(lists, "*_Packages*"):
        package = fields["Package"]
        text = long.get(fields.get("Description-md5", ""), fields.get("Description", ""))
        if text and "Section" in fields:
            source = fields.get("Source", package).split()[0]
            found.setdefault(package, Package(source, fields["Section"].split("/")[-1], text))
    return [found[name] for name in sorted(found, key=lambda name: crc32(name.encode()))[:count]]


def paragraphs(lists: Path, pattern: str) -> Iterator[dict[str, str]]:
    """Fields of each paragraph in apt's files of that name."""
    for file in sorted(lists.glob(pattern)):
        command = ["/usr/lib/apt/apt-helper", "cat-file", str(file)]
        content = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")
        for block in content.strip().split("\n\n"):
            fields: dict[str, str] = {}
            name = ""
            for line in block.split("\n"):
                if line[:1] == " ":
                    fields[name] += "\n" + line.strip().removeprefix(".")
                elif ":" in line:
                    name, _, value = line.partition(":")
                    fields[name] = value.strip()
            yield fields


def code(train: Sequence[str], test: Sequence[str], seed: int) -> tuple[Vectors, Vectors]:
    """The recipe as it is."""
    from infomax import InfoMax

    model = InfoMax("spectral-text", settings={"dim": DIM}, seed=seed, device="cpu").fit(list(train))
    return model.transform(list(train)), model.transform(list(test))


def tf_idf(train: Sequence[str], test: Sequence[str], seed: int) -> tuple[Vectors, Vectors]:
    """The most common words, without English stop words; nothing is drawn, so the seed does not matter."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    del seed
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=DIM, stop_words="english")
    return vectorizer.fit_transform(train).toarray(), vectorizer.transform(test).toarray()


def lsa(train: Sequence[str], test: Sequence[str], seed: int) -> tuple[Vectors, Vectors]:
    """TruncatedSVD of TF-IDF, as scikit-learn's guide has it."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    weighted, tested = vectorizer.fit_transform(train), vectorizer.transform(test)
    reduction = TruncatedSVD(min(DIM, min(weighted.shape) - 1), random_state=seed).fit(weighted)
    return reduction.transform(weighted), reduction.transform(tested)


def doc2vec(train: Sequence[str], test: Sequence[str], seed: int) -> tuple[Vectors, Vectors]:
    """Gensim's doc2vec: distributed bag of words, 20 epochs, one thread."""
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    from infomax.kinds.text.words import words

    documents = [TaggedDocument(list(words(text)), [row]) for row, text in enumerate(train)]
    model = Doc2Vec(documents, vector_size=DIM, dm=0, min_count=2, epochs=20, workers=1, seed=seed)
    tested = np.stack([model.infer_vector(list(words(text))) for text in test])
    return np.stack([model.dv[row] for row in range(len(train))]), tested


METHODS: dict[str, Method] = {"code": code, "tf-idf": tf_idf, "lsa": lsa, "doc2vec": doc2vec}


def debian(lists: Path, count: int, methods: Sequence[str], seed: int, *, dev: bool) -> None:
    """Print a line for each method."""
    from infomax.evaluation.labels import LabelSplit
    from infomax.evaluation.scores import score_features

    found = packages(lists, count)
    halves = [[each for each in found if crc32(each.source.encode()) % 2 == half] for half in (0, 1)]
    if dev:
        fold = [crc32(each.source[::-1].encode()) % 5 == 0 for each in halves[0]]
        halves = [[each for each, own in zip(halves[0], fold, strict=True) if own is side] for side in (False, True)]
    known = {each.section for each in halves[0]}
    train, test = halves[0], [each for each in halves[1] if each.section in known]
    labels = LabelSplit.of([each.section for each in train], [each.section for each in test], 20)
    lengths = [len(each.text.split()) for each in found]
    print(f"{machine()}\n{len(train)} texts to learn from, {len(test)} to test, {len(known)} sections, ", end="")
    print(f"{np.mean(lengths):.0f} words on average; the most common section is {100 * labels.chance:.1f} %")
    print(f"{'':<10}{'numbers':>8}{'kNN %':>8}{'linear %':>10}{'seconds':>9}")
    for name in methods:
        began = time.perf_counter()
        vectors = METHODS[name]([each.text for each in train], [each.text for each in test], seed)
        seconds = time.perf_counter() - began
        scores = score_features(labels, *vectors, k=20, ks=(20,), metrics=("cosine",), classifiers=("linear",))
        shown = scores.headline
        accuracies = (100 * shown["knn_cosine"].accuracy, 100 * shown["linear"].accuracy)
        numbers = vectors[0].shape[1]
        print(f"{name:<10}{numbers:>8}{accuracies[0]:>8.2f}{accuracies[1]:>10.2f}{seconds:>9.1f}", flush=True)


def lee(folder: Path, methods: Sequence[str], seed: int) -> None:
    """Print the correlation of cosines with the judgments of people, over all pairs of Lee's 50 documents."""
    background, texts = (
        (folder / name).read_text("latin-1").splitlines() for name in ("lee_background.cor", "lee.cor")
    )
    judged = np.loadtxt(folder / "similarities0-1.txt")
    pairs = np.triu_indices(len(texts), 1)
    for name in methods:
        vectors = METHODS[name](background, texts, seed)[1]
        directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        found = np.corrcoef((directions @ directions.T)[pairs], judged[pairs])[0, 1]
        print(f"{name:<10}{vectors.shape[1]:>8} numbers, correlation {found:.3f}", flush=True)


def cost(counts: Sequence[int]) -> None:
    """Print time and peak memory of fitting and encoding, by number of texts of 20 words each, from a file."""
    import json
    import tempfile
    from multiprocessing import get_context

    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "texts.jsonl"
            random = np.random.default_rng(0)
            with file.open("w") as out:
                for start in range(0, count, 1000):
                    topics = random.integers(0, 50, min(1000, count - start))
                    ranks = np.minimum(random.zipf(1.3, (len(topics), 20)), 20_000)
                    for topic, row in zip(topics, ranks, strict=True):
                        out.write(json.dumps({"text": " ".join(f"w{topic if k % 3 else 0}x{k}" for k in row)}) + "\n")
            process = get_context("spawn").Process(target=_cost, args=(file, count))
            process.start()
            process.join()


def _cost(file: Path, count: int) -> None:
    from infomax import InfoMax

    began = time.perf_counter()
    print(f"{count:>9} texts: {peak_memory_mb():5.0f} MB before,", end="", flush=True)
    model = InfoMax("spectral-text", device="cpu").fit(file)
    print(f" fit {time.perf_counter() - began:6.1f} s, {peak_memory_mb():5.0f} MB,", end="", flush=True)
    began = time.perf_counter()
    model.transform(file)
    print(f" transform {time.perf_counter() - began:6.1f} s, {peak_memory_mb():5.0f} MB", flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("what", choices=("debian", "lee", "cost"))
    parser.add_argument("counts", nargs="*", type=int)
    parser.add_argument("--lists", type=Path, default=Path("/var/lib/apt/lists"))
    parser.add_argument("--texts", type=int, default=60_000)
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--gensim-data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    methods = given.methods.split(",")
    if given.what == "cost":
        cost(given.counts or [10_000, 100_000, 1_000_000])
    elif given.what == "lee":
        lee(given.gensim_data, methods, given.seed)
    else:
        debian(given.lists, given.texts, methods, given.seed, dev=given.dev)


if __name__ == "__main__":
    main()
