"""What computes a network: one module per runtime. torch and its kin are imported only here and in ``models``."""
