"""What `dg` knows this project by."""
