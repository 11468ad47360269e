"""The glue between the job table and the library: claim, handle, complete."""
