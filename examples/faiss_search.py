"""Vectors that `infomax embed` wrote, searched by FAISS: pip install faiss-cpu.

infomax embed photos/ --model RUN --out photos.parquet
python examples/faiss_search.py photos.parquet
"""

import sys

import faiss
import numpy as np
import pyarrow.parquet as pq

table = pq.read_table(sys.argv[1])
vectors = np.stack(table["vector"].to_numpy()).astype(np.float32)
faiss.normalize_L2(vectors)  # the inner product of vectors of length 1 is the cosine
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors)
similarities, rows = index.search(vectors[:3], 5)
for query, (found, cosines) in enumerate(zip(rows, similarities, strict=True)):
    print(table["path"][query].as_py())
    for row, cosine in zip(found[1:], cosines[1:], strict=True):
        print(f"    {cosine:.3f}  {table['path'][int(row)].as_py()}")
