"""Choosing hyperparameters: the same trials, objective and stream for every method."""
