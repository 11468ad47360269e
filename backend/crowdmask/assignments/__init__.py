"""Assignments: tasks (open, complete, archived) and who has their slots (reserved, submitted, expired, taken_back)."""
