"""Exports: frozen nnU-Net v2 datasets with a manifest."""
