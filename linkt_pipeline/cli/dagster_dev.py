"""``dagster dev`` with the guarded web server in place of Dagster's own: ``python -m`` this module.

Should a later Dagster take no other web server, it would be unguarded; that is why ``linkt-pipeline ui`` asks the
server whether it is guarded before it names it.
"""

import logging

from linkt_pipeline.assets.dagster_internals import run_dev_with_webserver


def is_news(record: logging.LogRecord) -> bool:
    """Whether a person has to know; not that a project's dagster.yaml isn't the one in use, for it was copied there."""
    return not record.getMessage().startswith("Found a dagster instance configuration value")


def main() -> None:
    """Run until interrupted."""
    logging.getLogger("dagster").addFilter(is_news)
    run_dev_with_webserver("linkt_pipeline.cli.webserver")


if __name__ == "__main__":
    main()
