"""The model of a worker process: loaded with the first job that needs it, and kept."""

from functools import cache

from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.segmenter import Segmenter


@cache
def segmenter(name: str, runtime: str) -> Segmenter:
    """The model of that name on that runtime; errors as for ``load_segmenter``, which are not kept."""
    return load_segmenter(name, runtime=runtime)
