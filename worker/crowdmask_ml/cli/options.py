"""What several commands of ``crowdmask-ml`` share."""

from crowdmask.console import Program

program = Program("crowdmask-ml")
