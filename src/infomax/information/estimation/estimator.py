"""The estimate in the form of scikit-learn: settings in the constructor, results in attributes that end in _."""

from inspect import signature
from typing import Any

import numpy as np

from infomax.information.estimation.estimate import DEFAULT_FOLDS, MutualInformation, estimate_mi
from infomax.information.estimation.samples import Kinds, Samples
from infomax.information.estimation.series import BlockRows


class InformationEstimator:
    """Mutual information as a scikit-learn estimator: `clone`, `get_params` and `set_params` work.

    Args:
        bound: One of ESTIMATORS; None picks the most accurate.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        blocks: For a series, the rows of a block, or "auto".
        permutations: Number of permutations for a p-value; 0 for none.
        missing: Whether rows with missing values raise an error or are dropped: "refuse" or "drop".
        x_kind: Kind of the columns of x, one or one for each; None decides by dtype and values.
        y_kind: Kind of the columns of y.

    Attributes:
        mi_: The estimate, in nats.
        standard_error_: Its standard error.
        warnings_: Reasons not to trust it, in words.
        estimate_: All of it, as `estimate_mi` returns it.
        n_features_in_: Number of columns of x.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(200, 1))
        >>> estimator = InformationEstimator(folds=2).fit(x, x[:, 0] > 0)
        >>> bool(abs(estimator.mi_ - np.log(2)) < 0.2)  # a coin that x decides
        True

    """

    def __init__(
        self,
        bound: str | None = None,
        folds: int = DEFAULT_FOLDS,
        seed: int = 0,
        blocks: BlockRows = None,
        permutations: int = 0,
        missing: str = "refuse",
        x_kind: Kinds = None,
        y_kind: Kinds = None,
    ) -> None:
        self.bound = bound
        self.folds = folds
        self.seed = seed
        self.blocks = blocks
        self.permutations = permutations
        self.missing = missing
        self.x_kind = x_kind
        self.y_kind = y_kind

    def fit(self, x: Samples, y: Samples) -> "InformationEstimator":
        """Estimate the information of x and y.

        Args:
            x: Samples, as for estimate_mi.
            y: Samples, as for estimate_mi.

        Returns:
            The estimator itself.

        Raises:
            ValueError: As estimate_mi.

        """
        self.estimate_: MutualInformation = estimate_mi(x, y, **self.get_params())
        self.mi_, self.standard_error_ = self.estimate_.value, self.estimate_.standard_error
        self.warnings_ = self.estimate_.warnings
        self.n_features_in_ = (*np.shape(x), 1)[1]  # type: ignore[arg-type]  # a tensor has a shape, too
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """List the settings.

        Args:
            deep: Not used: no setting is an estimator.

        Returns:
            The settings by name.

        """
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    def set_params(self, **parameters: Any) -> "InformationEstimator":
        """Replace settings.

        Args:
            **parameters: The new values by name.

        Returns:
            The estimator itself.

        Raises:
            ValueError: No such setting.

        """
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(f"InformationEstimator has no {name!r}: choose one of {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {name: each.default for name, each in signature(type(self)).parameters.items()}
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name]}
        return f"InformationEstimator({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
