"""Progress: what is complete, who did what, how the jobs are; and the stream of changes that keeps pages live."""
