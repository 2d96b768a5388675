"""Mappings from YAML or JSON files, strictly: plain values only, no key twice, no aliases, nothing is run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hamsym.errors import ParameterError

#: A spec is a page of text; a larger file is something else.
MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
#: Numbers that YAML 1.2 and everybody else read as such, and YAML 1.1 as text: 1e-3.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a ``.yaml``, ``.yml`` or ``.json`` file holds.

    Raises:
        ParameterError: if the file cannot be read, is no text of that kind, repeats a key, or holds no mapping.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "spec.json"
        ...     _ = path.write_text('{"dt": 0.1}')
        ...     read_mapping(path)
        {'dt': 0.1}
    """
    readers = {".json": _from_json, ".yaml": _from_yaml, ".yml": _from_yaml}
    if path.suffix.lower() not in readers:
        raise ParameterError("a spec is a FILE.yaml or FILE.json")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ParameterError(f"a spec has at most {MAX_BYTES} bytes")
        value = readers[path.suffix.lower()](data.decode("utf-8"))
    except OSError as error:
        raise ParameterError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ParameterError("is not UTF-8 text") from None
    except RecursionError:
        raise ParameterError("is nested too deeply") from None
    if not isinstance(value, dict):
        raise ParameterError("holds no mapping of names to values, such as 'system: pendulum'")
    return value


def _from_json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        for key in result:
            if sum(k == key for k, _ in pairs) > 1:
                raise ParameterError(f"the key {key!r} is there twice")
        return result

    def refuse(name: str) -> Any:
        raise ParameterError(f"{name} is no number of JSON; every value must be finite")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except ParameterError:
        raise
    except ValueError as error:
        raise ParameterError(f"is not JSON: {error}") from None


def _from_yaml(text: str) -> Any:
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise RecursionError
            if isinstance(event, yaml.AliasEvent):  # a few lines of them stand for a gigabyte
                raise ParameterError(
                    f"line {event.start_mark.line + 1}: aliases (*name) are not used in a spec"
                )
        _require_unique_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        return _with_numbers(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ParameterError(f"is not plain YAML: {where}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"is not plain YAML: {error}") from None


def _require_unique_keys(node: Any) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else True:
                what = (
                    f"the key {key.value!r} is there twice"
                    if isinstance(key, yaml.ScalarNode)
                    else "a key is text"
                )
                raise ParameterError(f"line {key.start_mark.line + 1}: {what}")
            seen.add(key.value)
            _require_unique_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _require_unique_keys(item)


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
