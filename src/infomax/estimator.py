"""The habits of scikit-learn, without loading it: parameters, clone, Pipeline, repr."""

from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from infomax.errors import InfoMaxError

if TYPE_CHECKING:
    from sklearn.utils import Tags

Own = TypeVar("Own", bound="Estimator")


class Estimator:
    """Parameters, tags and repr as scikit-learn asks of a transformer; its BaseEstimator would load it for everybody.

    A subclass stores the arguments of its constructor under their names, and nothing else. What is learned ends in _.
    """

    @property
    def _n_features_out(self) -> int:
        """How many numbers a transformed row has, as scikit-learn calls it."""
        raise NotImplementedError

    @classmethod
    def _parameters(cls) -> dict[str, Any]:
        """List the constructor's arguments with their defaults."""
        return {name: each.default for name, each in signature(cls).parameters.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """List the constructor's arguments, for `clone` and grid search.

        Args:
            deep: Ignored: no argument is an estimator.

        Returns:
            The arguments by name.

        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self: Own, **parameters: Any) -> Own:
        """Replace arguments of the constructor.

        Args:
            **parameters: The new values by name.

        Returns:
            The estimator itself.

        Raises:
            InfoMaxError: A name is not an argument of the constructor; it is a ValueError.

        """
        known = self._parameters()
        for name, value in parameters.items():
            if name not in known:
                raise InfoMaxError(
                    f"invalid parameter {name!r} for estimator {type(self).__name__}: choose one of {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray[Any, np.dtype[np.object_]]:  # noqa: ARG002
        """Name the numbers of a code, as scikit-learn's Pipeline and ColumnTransformer need them.

        Args:
            input_features: Ignored: pixels have no names.

        Returns:
            The names (dim,): infomax0, infomax1, ...

        Raises:
            InfoMaxError: The model is not fitted.

        """
        self._require_fitted()
        return np.array([f"infomax{number}" for number in range(self._n_features_out)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> "Tags":
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(two_d_array=False, three_d_array=True, string=True),
            no_validation=True,
        )

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name, default in self._parameters().items()}
        changed = {name: value for name, value in given.items() if value != self._parameters()[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise _not_fitted_error()(f"this {type(self).__name__} is not fitted yet: call fit, or load a run")


@cache
def _not_fitted_error() -> type[InfoMaxError]:
    """An InfoMaxError that is scikit-learn's NotFittedError, too."""
    from sklearn.exceptions import NotFittedError

    doc = "The estimator was used before `fit`."
    return type("NotFitted", (InfoMaxError, NotFittedError), {"__doc__": doc, "__module__": __name__})


def __getattr__(name: str) -> object:
    if name == "NotFitted":  # where a pickle looks for it
        return _not_fitted_error()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
