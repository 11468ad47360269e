"""The pure core: geometry, files, boxes, rules and measures. No database, no HTTP, no torch; usable in a notebook."""
