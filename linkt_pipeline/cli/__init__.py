"""The command ``linkt-pipeline``: one module a subcommand, loaded when it is called."""
