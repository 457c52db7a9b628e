"""How fast the grader is, how much memory it takes, and how that compares with what else runs notebooks."""
