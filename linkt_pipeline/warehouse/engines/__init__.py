"""The engines that can hold a warehouse: all that one does otherwise than another lies here.

Each implements :class:`~linkt_pipeline.warehouse.warehouse.Warehouse`, which is all that the rest of the product knows.
``choice`` takes the one that a deployment's settings name.
"""
