"""A library: volume in, boxes in, mask out. Imports the pure core only; usable in a notebook without a server."""
