"""Projects: the label set, the rules and the members that all later stages read."""
