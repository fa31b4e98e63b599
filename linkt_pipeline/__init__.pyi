from linkt_pipeline.assets.component import LinktPipelineComponent as LinktPipelineComponent
from linkt_pipeline.assets.library import build_definitions as build_definitions

__version__: str
