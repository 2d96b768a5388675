"""SHA-256 of files, and JSON that carries its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes as text.

    Example:
        >>> digest(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def canonical(values: dict[str, Any]) -> bytes:
    """Return JSON that has one form only, with a checksum of the rest as its last entry.

    Example:
        >>> parsed(canonical({"b": 1}))["b"]
        1
    """
    body = {key: value for key, value in values.items() if key != "sha256"}
    text = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False)
    return (json.dumps({**body, "sha256": digest(text.encode())}, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()  # fmt: skip


def parsed(content: bytes) -> dict[str, Any]:
    """Return the mapping of :func:`canonical`.

    Raises:
        ValueError: if a byte is not as it was written.
    """
    values = json.loads(content)
    if not isinstance(values, dict) or canonical(values) != content:
        raise ValueError("it is not as it was written")
    return values


def damage_of_content(content: bytes, sha256: str) -> str:
    """Return what is wrong with bytes, in words; nothing if they have the checksum."""
    return "" if digest(content) == sha256 else "is damaged"


def damage_of_file(path: Path, sha256: str) -> str:
    """Return what is wrong with a file, in words; nothing if it has the checksum."""
    try:
        return damage_of_content(path.read_bytes(), sha256)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
