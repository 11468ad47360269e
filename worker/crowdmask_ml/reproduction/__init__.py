"""The experiment of the paper (Kulkarni et al., arXiv 2402.05713) on published datasets: boxes to masks to scores."""
