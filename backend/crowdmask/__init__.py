"""Crowdmask: boxes in, masks out. Annotation of medical volumes by many people, from boxes to nnU-Net datasets."""

__version__ = "0.1.0"
