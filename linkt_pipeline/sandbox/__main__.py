"""``python -m linkt_pipeline.sandbox``."""

from linkt_pipeline.sandbox.process.command import sandbox_command

if __name__ == "__main__":
    sandbox_command(prog_name="python -m linkt_pipeline.sandbox")
