"""scikit-learn's own callbacks, which hear of each epoch where its version has them (since 1.9)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ranvier.estimators.members import Member
from ranvier.training.events import EpochEnded

#: What a fitted estimator needs beside its networks, where it has it.
NEEDED = (
    "classes_", "n_features_in_", "feature_names_in_", "table_", "temperature_",
    "_dtype", "_filling", "_labels", "_single",
)  # fmt: skip


def epoch_listener(
    estimator: Any, member: Member, data: tuple[Any, Any]
) -> Callable[[EpochEnded], bool] | None:
    """Begin the fit for its callbacks; returns what tells them of an epoch, or None.

    Args:
        estimator: that is fitted.
        member: whose epochs they hear of.
        data: rows and targets, as the user gave them.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    whole = estimator._init_callback_context(max_subtasks=None)
    whole.call_on_fit_task_begin(estimator=estimator, X=data[0], y=data[1])

    def ended(event: EpochEnded) -> bool:
        one = whole.subcontext(task_name="epoch")
        one.call_on_fit_task_begin(estimator=estimator, X=data[0], y=data[1])
        stop = one.call_on_fit_task_end(
            estimator=estimator,
            X=data[0],
            y=data[1],
            # A function: it is called only if somebody asks for the estimator as it is now.
            reconstruction_attributes=lambda: _fitted_now(estimator, member, event),
        )
        return bool(stop)

    return ended


def end_of_fit(estimator: Any, data: tuple[Any, Any]) -> None:
    """Tell the callbacks of the fit's end."""
    context = getattr(estimator, "_callback_fit_ctx", None)
    if context is not None:
        context.call_on_fit_task_end(
            estimator=estimator,
            X=data[0],
            y=data[1],
            reconstruction_attributes=lambda: _fitted(estimator, estimator.members_),
        )


def _fitted(estimator: Any, members: list[Member]) -> dict[str, Any]:
    own = vars(estimator)
    return {**{name: own[name] for name in NEEDED if name in own}, "members_": members}


def _fitted_now(estimator: Any, member: Member, event: EpochEnded) -> dict[str, Any]:
    """The attributes of an estimator whose training ends with this epoch."""
    now = replace(member, model=copy.deepcopy(member.model))
    for name, array in event.parameters.items():
        now.model.network.parameters[name][...] = array
    return _fitted(estimator, [now])
