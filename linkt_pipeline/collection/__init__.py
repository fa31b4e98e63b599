"""Everything free: runs started elsewhere, the rows that runs name, and the names of tasks, ICPs and sheets."""
