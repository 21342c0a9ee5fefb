"""What the estimators need of scikit-learn; the one file that imports it.

Without the package, importing this room says which extra is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ranvier.foundation.errors import missing_extra


@dataclass(frozen=True)
class ScikitLearn:
    """The parts of scikit-learn that are used, by their names there."""

    BaseEstimator: Any
    ClassifierMixin: Any
    RegressorMixin: Any
    TransformerMixin: Any
    MultiOutputMixin: Any
    ClassNamePrefixFeaturesOutMixin: Any
    CallbackSupportMixin: Any
    with_callbacks: Any
    ConvergenceWarning: Any
    check_random_state: Any
    check_is_fitted: Any
    validate_data: Any
    check_sample_weight: Any
    check_classification_targets: Any
    type_of_target: Any
    compute_sample_weight: Any
    column_or_1d: Any
    check_array: Any


class _NoCallbacks:
    """Stands for the mixin of callbacks where scikit-learn has none."""


def _plain(method: Any) -> Any:
    return method


def _load() -> ScikitLearn:
    try:
        import sklearn.base as base
        import sklearn.exceptions as exceptions
        import sklearn.utils as utils
        import sklearn.utils.class_weight as class_weight
        import sklearn.utils.multiclass as multiclass
        import sklearn.utils.validation as validation
    except ImportError as error:
        raise missing_extra("scikit-learn", "sklearn", "ranvier.estimators") from error
    callbacks, with_callbacks = _callbacks()
    return ScikitLearn(
        BaseEstimator=base.BaseEstimator,
        ClassifierMixin=base.ClassifierMixin,
        RegressorMixin=base.RegressorMixin,
        TransformerMixin=base.TransformerMixin,
        MultiOutputMixin=base.MultiOutputMixin,
        ClassNamePrefixFeaturesOutMixin=base.ClassNamePrefixFeaturesOutMixin,
        CallbackSupportMixin=callbacks,
        with_callbacks=with_callbacks,
        ConvergenceWarning=exceptions.ConvergenceWarning,
        check_random_state=utils.check_random_state,
        check_is_fitted=validation.check_is_fitted,
        validate_data=validation.validate_data,
        check_sample_weight=validation._check_sample_weight,
        check_classification_targets=multiclass.check_classification_targets,
        type_of_target=multiclass.type_of_target,
        compute_sample_weight=class_weight.compute_sample_weight,
        column_or_1d=validation.column_or_1d,
        check_array=validation.check_array,
    )


def _callbacks() -> tuple[Any, Any]:
    """The protocol of callbacks, which scikit-learn has since 1.9."""
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:
        return _NoCallbacks, _plain
    return CallbackSupportMixin, with_callbacks


scikit = _load()
#: Bases of classes; their type is nobody's here, so a class says so where it has one.
BaseEstimator: Any = scikit.BaseEstimator
ClassifierMixin: Any = scikit.ClassifierMixin
RegressorMixin: Any = scikit.RegressorMixin
TransformerMixin: Any = scikit.TransformerMixin
MultiOutputMixin: Any = scikit.MultiOutputMixin
ClassNamePrefixFeaturesOutMixin: Any = scikit.ClassNamePrefixFeaturesOutMixin
CallbackSupportMixin: Any = scikit.CallbackSupportMixin
