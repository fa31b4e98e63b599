"""The graph as text."""

from linkt_pipeline.transform import describe_models, render_graph, render_markdown

from .conftest import Folder


def test_the_graph_names_each_model_with_what_it_reads(folder: Folder) -> None:
    folder.write("staging.a", "select id from linkt.names")
    folder.write("marts.long_name", "-- materialized: table\nselect id from staging.a")
    assert render_graph(folder.load()) == (
        "staging\n  a          view         <- linkt.names\n\nmarts\n  long_name  table        <- staging.a"
    )


def test_the_reference_has_every_column(folder: Folder) -> None:
    folder.write("staging.a", "-- column id: The a|b id.\nselect id, name from linkt.names")
    graph = folder.load()
    text = render_markdown(graph, describe_models(graph))
    assert "### staging.a" in text
    assert "| `id` | VARCHAR | The a\\|b id. |" in text
    assert "| `name` | VARCHAR |  |" in text
