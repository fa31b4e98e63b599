"""``dagster dev`` with the guarded web server in place of Dagster's own: ``python -m`` this module.

Should a later Dagster take no other web server, it would be unguarded; that is why ``linkt-pipeline ui`` asks the
server whether it is guarded before it names it.
"""

from linkt_pipeline.assets.dagster_internals import run_dev_with_webserver


def main() -> None:
    """Run until interrupted."""
    run_dev_with_webserver("linkt_pipeline.cli.webserver")


if __name__ == "__main__":
    main()
