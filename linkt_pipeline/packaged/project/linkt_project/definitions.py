"""What `dg` loads: the pipeline with this project's tasks.yaml and SQL models."""

from linkt_pipeline.definitions import defs

__all__ = ["defs"]
