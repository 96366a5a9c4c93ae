"""The metric of metrics: unlearning with planted faults, and which scores catch which."""
