"""The PostgreSQL that the hosts of a deployment share: its address, connections, errors and migrations."""
