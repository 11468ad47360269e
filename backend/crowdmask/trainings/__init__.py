"""Trainings: nnU-Net on a frozen dataset, step by step, and how its network does on the dataset's test scans.

A training is waiting, running, done, failed or cancelled as its steps are, and each step is as its job is: plan, train one
fold after the other, predict and score. The effect of each step asks for the next one.
"""
