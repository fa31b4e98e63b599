"""All models that can be built, in an order in which they can."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.macro import Macro
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, SqlModel


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """The models and the tables they read.

    Attributes:
        models: every model by key, parents before children.
        sources: columns of the tables that the models read and nobody here builds.
        macros: the macros that models and checks may call, by name; those that others call come first.
        quarantined: the models that have a file and can't be built now, with the reason: a mistake in the file, or
            that a model it reads is quarantined. What was built of them stays in the warehouse.
        quarantined_macros: names of the macros whose file can't be used; the warehouse keeps what it has of them.
    """

    models: Mapping[ModelKey, SqlModel]
    sources: Mapping[ModelKey, Columns]
    macros: Mapping[str, Macro] = field(default_factory=dict)
    quarantined: Mapping[ModelKey, ModelFileError] = field(default_factory=dict)
    quarantined_macros: frozenset[str] = frozenset()

    def __getitem__(self, name: str | ModelKey) -> SqlModel:
        return self.models[ModelKey.parse(name) if isinstance(name, str) else name]

    @cached_property
    def parents(self) -> Mapping[ModelKey, tuple[ModelKey, ...]]:
        """What each model reads: sources and models."""
        return {key: model.depends_on for key, model in self.models.items()}

    @cached_property
    def children(self) -> Mapping[ModelKey, tuple[ModelKey, ...]]:
        """Which models read each model or source."""
        children: dict[ModelKey, list[ModelKey]] = {key: [] for key in (*self.sources, *self.models)}
        for key, parents in self.parents.items():
            for parent in parents:
                children[parent].append(key)
        return {key: tuple(found) for key, found in children.items()}

    @property
    def published_views(self) -> frozenset[str]:
        """The views that stay views in the published copy, by ``schema.view``."""
        return frozenset(str(key) for key, model in self.models.items() if model.header.stays_view)

    def without(self, problems: Mapping[ModelKey, ModelFileError]) -> "ModelGraph":
        """The graph with more models quarantined, and all that is built from them."""
        if not problems:
            return self
        quarantined = {**self.quarantined, **problems}
        models = {key: model for key, model in self.models.items() if key not in problems}
        quarantine_descendants(models, quarantined)
        return replace(self, models=models, quarantined=quarantined)


def quarantine_descendants(ordered: dict[ModelKey, SqlModel], quarantined: dict[ModelKey, ModelFileError]) -> None:
    """Move models that read a quarantined one from ``ordered``, where parents come first, to ``quarantined``."""
    for key, model in list(ordered.items()):
        broken = next((read for read in model.reads if read.key in quarantined), None)
        if broken is not None:
            del ordered[key]
            reason = f"waits for {broken.key}, which can't be built: {root_problem(quarantined[broken.key])}"
            quarantined[key] = DescendantError(model.path, broken.line, reason, quarantined[broken.key])


class DescendantError(ModelFileError):
    """The only thing wrong with a model is a model that it reads.

    Attributes:
        cause: what is wrong there.
    """

    def __init__(self, path: Path, line: int, problem: str, cause: ModelFileError) -> None:
        super().__init__(path, line, problem)
        self.cause = cause


def root_problem(error: ModelFileError) -> str:
    """The mistake that a quarantine goes back to, in one line."""
    while isinstance(error, DescendantError):
        error = error.cause
    return f"{error.path.name}:{error.line}: {error.problem.partition(chr(10))[0]}"


class CircleError(ModelFileError):
    """Models that read each other.

    Attributes:
        members: the models of the circle.
    """

    def __init__(self, path: Path, line: int, members: tuple[ModelKey, ...]) -> None:
        super().__init__(path, line, f"a circle of models: {' -> '.join(map(str, members))}")
        self.members = members


def in_build_order(models: Mapping[ModelKey, SqlModel]) -> dict[ModelKey, SqlModel]:
    """The models, parents before children.

    Raises:
        CircleError: some read each other.
    """
    ordered: dict[ModelKey, SqlModel] = {}
    trail: list[ModelKey] = []

    def visit(key: ModelKey) -> None:
        if key in ordered or key not in models:
            return
        if key in trail:
            model = models[trail[-1]]
            line = next(read.line for read in model.reads if read.key == key)
            raise CircleError(model.path, line, (*trail[trail.index(key) :], key))
        trail.append(key)
        for parent in models[key].depends_on:
            visit(parent)
        trail.pop()
        ordered[key] = models[key]

    for key in models:
        visit(key)
    return ordered


def seen_through_views(ordered: Mapping[ModelKey, SqlModel]) -> dict[ModelKey, SqlModel]:
    """Give each model the tables behind the views it reads."""
    known: dict[ModelKey, SqlModel] = {}
    for key, model in ordered.items():
        inputs: dict[ModelKey, None] = {}
        views = []
        for parent in model.depends_on:
            if parent in known and known[parent].materialization is Materialization.VIEW:
                views.append(known[parent])
                inputs |= dict.fromkeys(known[parent].inputs)
            else:
                inputs[parent] = None
        known[key] = replace(
            model,
            inputs=tuple(inputs),
            is_repeatable=model.is_repeatable and all(view.is_repeatable for view in views),
        )
    return known
