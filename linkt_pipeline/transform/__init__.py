"""SQL models: read from files, put in order, built, checked and explained."""

from linkt_pipeline.transform.binding import describe_models, try_describe
from linkt_pipeline.transform.build import BuildMode, BuildResult, build_model, prepare_builds
from linkt_pipeline.transform.build_all import Built, NotBuilt, Retired, build_all, build_each
from linkt_pipeline.transform.cases import CaseResult, run_cases
from linkt_pipeline.transform.checks import Check, CheckResult, load_checks, run_check
from linkt_pipeline.transform.columns import warehouse_sources
from linkt_pipeline.transform.digests import warn_of_hashes
from linkt_pipeline.transform.errors import ModelBuildError, ModelError, ModelFileError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.kept_project import forget_project, load_kept_project
from linkt_pipeline.transform.known import Known
from linkt_pipeline.transform.lineage import Lineage, column_lineage, kept_lineage
from linkt_pipeline.transform.loading import load_models
from linkt_pipeline.transform.macro import Macro, create_macros
from linkt_pipeline.transform.model import Columns, Materialization, ModelKey, Severity, SqlModel
from linkt_pipeline.transform.overlay import origins, outdated, take_over
from linkt_pipeline.transform.problems import clear_problem, record_problem, record_problems
from linkt_pipeline.transform.project import Project, load_project, problem_text
from linkt_pipeline.transform.render import render_graph, render_markdown
from linkt_pipeline.transform.retired import drop_retired_models, retired_models
from linkt_pipeline.transform.row_states import states_by_name, states_of_rows
from linkt_pipeline.transform.seed import SEEDS_FOLDER
from linkt_pipeline.transform.sql_files import place_of
from linkt_pipeline.transform.verdicts import (
    Verdict,
    Verdicts,
    read_verdicts,
    write_verdicts,
)

__all__ = [
    "SEEDS_FOLDER",
    "BuildMode",
    "BuildResult",
    "Built",
    "CaseResult",
    "Check",
    "CheckResult",
    "Columns",
    "Known",
    "Lineage",
    "Macro",
    "Materialization",
    "ModelBuildError",
    "ModelError",
    "ModelFileError",
    "ModelGraph",
    "ModelKey",
    "NotBuilt",
    "Project",
    "Retired",
    "Severity",
    "SqlModel",
    "Verdict",
    "Verdicts",
    "build_all",
    "build_each",
    "build_model",
    "clear_problem",
    "column_lineage",
    "create_macros",
    "describe_models",
    "drop_retired_models",
    "forget_project",
    "kept_lineage",
    "load_checks",
    "load_kept_project",
    "load_models",
    "load_project",
    "origins",
    "outdated",
    "place_of",
    "prepare_builds",
    "problem_text",
    "read_verdicts",
    "record_problem",
    "record_problems",
    "render_graph",
    "render_markdown",
    "retired_models",
    "run_cases",
    "run_check",
    "states_by_name",
    "states_of_rows",
    "take_over",
    "try_describe",
    "warehouse_sources",
    "warn_of_hashes",
    "write_verdicts",
]
