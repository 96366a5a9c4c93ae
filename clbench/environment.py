"""Where a run was made: versions of code and libraries, hardware, git revision."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch


@cache
def environment() -> dict[str, str]:
    """Versions of code and libraries, hardware, git revision."""
    libraries = ("clbench", "torch", "numpy", "timm")
    found = {name: version(name) for name in libraries}
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        "python": platform.python_version(),
        **found,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": f"{_cpu_name()}, {os.cpu_count()} cores",
        **gpu,
        "git": _git_revision(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _git_revision() -> str:
    """The revision of the checkout that clbench runs from, `+` if it is changed."""
    folder, file = Path(__file__).parent, Path(__file__).name
    try:
        # Fails where this is an installed copy inside some other repository.
        subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", file],
            capture_output=True,
            check=True,
            timeout=10,
        )
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "not a checkout"
    return described.stdout.strip()
