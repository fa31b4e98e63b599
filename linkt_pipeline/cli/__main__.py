"""``python -m linkt_pipeline.cli``."""

from linkt_pipeline.cli.main import main

if __name__ == "__main__":
    main()
