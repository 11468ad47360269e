"""nnU-Net's own commands, run where nnU-Net is installed (the extra ``train``)."""
