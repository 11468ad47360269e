"""``python -m crowdmask_ml.cli``, the same as ``crowdmask-ml``."""

from crowdmask_ml.cli import main

main()
