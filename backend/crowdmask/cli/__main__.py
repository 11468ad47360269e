"""``python -m crowdmask.cli``, the same as ``crowdmask``."""

from crowdmask.cli import main

main()
