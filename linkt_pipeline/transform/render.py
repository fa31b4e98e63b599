"""The graph as text, for the command and for documentation."""

from collections.abc import Mapping
from types import MappingProxyType

from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel


def render_graph(graph: ModelGraph, notes: Mapping[ModelKey, str] = MappingProxyType({})) -> str:
    """One line a model, in build order by group: name, how it is kept, what it reads, and a note where there is one."""
    lines: list[str] = []
    width = max((len(key.name) for key in graph.models), default=0)
    for schema, models in _by_schema(graph).items():
        lines += ["", schema] if lines else [schema]
        for model in models:
            made_of = [*map(str, model.depends_on), *(f"{name}()" for name in model.macros)]
            reads = ", ".join(made_of) or model.path.name
            note = f"  ({notes[model.key]})" if model.key in notes else ""
            lines.append(f"  {model.name:<{width}}  {model.materialization:<11}  <- {reads}{note}")
    return "\n".join(lines)


def render_markdown(graph: ModelGraph, described: Mapping[ModelKey, Columns]) -> str:
    """A reference of all models with their columns.

    Args:
        graph: the models.
        described: their columns, from :func:`linkt_pipeline.transform.binding.describe_models`.
    """
    parts: list[str] = _macros(graph)
    for schema, models in _by_schema(graph).items():
        parts.append(f"## {schema}\n")
        for model in models:
            reads = ", ".join(f"`{key}`" for key in model.depends_on) or f"`sql/{model.schema}/{model.path.name}`"
            parts.append(f"### {model.key}\n\n{model.description}\n")
            parts.append(f"Grain: {model.grain} Kept as: {model.materialization}. Reads: {reads}.\n")
            parts.append("| column | type | description |\n|---|---|---|")
            parts += [
                f"| `{name}` | {data_type} | {_cell(model.column_descriptions.get(name, ''))} |"
                for name, data_type in described.get(model.key, {}).items()
            ]
            parts.append("")
    return "\n".join(parts)


def _macros(graph: ModelGraph) -> list[str]:
    if not graph.macros:
        return []
    parts = ["## Macros\n", "| macro | description | gives |\n|---|---|---|"]
    for name, macro in sorted(graph.macros.items()):
        arguments = ", ".join(macro.parameters)
        parts.append(f"| `{name}({arguments})` | {_cell(macro.description)} | {_cell(macro.returns)} |")
    return [*parts, ""]


def _by_schema(graph: ModelGraph) -> dict[str, list[SqlModel]]:
    groups: dict[str, list[SqlModel]] = {}
    for model in graph.models.values():
        groups.setdefault(model.schema, []).append(model)
    return groups


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
