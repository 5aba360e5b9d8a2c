"""Features of infomax in a scikit-learn pipeline: learn without labels, classify with them.

python examples/sklearn_pipeline.py
"""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from infomax import InfoMax, load_images

train, test = (load_images(f"digits:{part}", 8) for part in ("train", "test"))
features = InfoMax("dim-digits", settings={"blocks": (8, 16), "dim": 16}, epochs=3)
pipeline = make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=1000))
pipeline.fit(train.pixels, train.labels)
print(f"{100 * pipeline.score(test.pixels, test.labels):.1f} % of {len(test.pixels)} digits are named right")
