"""``dagster dev`` with the guarded web server in place of Dagster's own: ``python -m`` this module.

A later Dagster may ignore the replacement and start its own, unguarded server. So ``linkt-pipeline ui`` asks the server
whether it is guarded, before it prints its address.
"""

import logging

from linkt_pipeline.assets.dagster_internals import run_dev_with_webserver


def is_news(record: logging.LogRecord) -> bool:
    """Whether a person needs a log record. Nobody needs to know that a project's dagster.yaml is used as a copy."""
    return not record.getMessage().startswith("Found a dagster instance configuration value")


def main() -> None:
    """Run until interrupted."""
    logging.getLogger("dagster").addFilter(is_news)
    run_dev_with_webserver("linkt_pipeline.cli.webserver")


if __name__ == "__main__":
    main()
