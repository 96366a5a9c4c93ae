"""Torch's own random numbers, from a seed."""

import torch


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed what draws without a generator of its own: on the CPU and on the device.

    `torch.manual_seed` also queues a call for each kind of accelerator that is not there, with a
    stack trace, and never lets go of it.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
