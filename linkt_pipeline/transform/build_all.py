"""Builds all models outside of Dagster, each in a transaction of its own."""

from linkt_pipeline.transform.build import build_model, prepare_builds
from linkt_pipeline.transform.changes import LandedTables
from linkt_pipeline.transform.errors import ModelBuildError, ModelError
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.problems import clear_problem, record_problem, record_problems
from linkt_pipeline.transform.project import Project, problem_text
from linkt_pipeline.transform.retired import drop_retired_models
from linkt_pipeline.warehouse.warehouse import Warehouse


def build_all(warehouse: Warehouse, project: Project) -> dict[ModelKey, str]:
    """Bring every model up to date. What can't be built is skipped, with all that is built from it, and recorded.

    Returns:
        Why, by model; empty if all are built.
    """
    failed: dict[ModelKey, str] = {}
    landed = LandedTables()
    models = list(project.graph.models.values())
    with warehouse.session() as session:
        with session.transaction() as con:
            drop_retired_models(con, project.graph)
            record_problems(con, {name: problem_text(problem) for name, problem in project.problems.items()})
            prepare_builds(con, project.graph, models)
        for model in models:
            broken = next((parent for parent in model.depends_on if parent in failed), None)
            try:
                if broken is not None:
                    failed[model.key] = f"skipped, because {broken} failed"
                else:
                    with session.transaction() as con:
                        build_model(con, model, landed=landed)
                        clear_problem(con, str(model.key))
            except ModelError as error:
                failed[model.key] = error.reason if isinstance(error, ModelBuildError) else str(error)
            if model.key in failed:
                with session.transaction() as con:
                    record_problem(con, str(model.key), failed[model.key])
    return failed
