"""Vectors that `infomax embed` wrote, as numpy arrays and back: for FiftyOne, LightlyStudio, pandas or anything else.

infomax embed photos/ --model RUN --out photos.parquet
python examples/parquet_to_numpy.py photos.parquet photos.npz
"""

import sys

import numpy as np
import pyarrow.parquet as pq

source, target = sys.argv[1:]
table = pq.read_table(source)
paths = np.array(table["path"].to_pylist())
vectors = np.stack(table["vector"].to_numpy()).astype(np.float32)
labels = np.array(table["label"].to_pylist()) if "label" in table.column_names else np.full(len(paths), "")
np.savez(target, paths=paths, vectors=vectors, labels=labels)
print(f"{len(vectors)} vectors of {vectors.shape[1]} numbers are in {target}: arrays paths, vectors, labels")
# FiftyOne: fiftyone.brain.compute_visualization(dataset, embeddings=vectors)
