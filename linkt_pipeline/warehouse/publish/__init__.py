"""The published copy of the warehouse: how it is written, and how it is opened."""
