"""Manifests: size and SHA-256 of each file of a version."""

import hashlib

from pydantic import BaseModel, ConfigDict, TypeAdapter

MANIFEST = "manifest.json"


class Seal(BaseModel):
    """What a manifest says of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


SEALS = TypeAdapter(dict[str, Seal])


def seal(data: bytes) -> Seal:
    """The seal of a file's contents."""
    return Seal(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
