"""Volumes: a file is received (quarantined | ingesting), ingested into a slice pack (ready | failed)."""
