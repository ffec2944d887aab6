"""JSON values as typed Python ones: checked against annotations, nothing guessed."""

import dataclasses
import json
from typing import Any, get_args, get_origin, get_type_hints

_LARGEST = 1e300
_JSON_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def typed(kind: Any, value: object, name: str) -> Any:  # noqa: ANN401
    """Return a JSON value as what an annotation asks for.

    Parameters
    ----------
    kind
        `bool`, `int`, `float` (a whole number will do), `str`, `dict`, `tuple[X, ...]` or a
        dataclass of such: its keys must be fields, and all that have no default.
    value
        From `json.loads`.
    name
        What to call the value in an error.

    Raises
    ------
    ValueError
        If the value is of another kind: one line with what is wrong and where.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _fields(kind, _expected(dict, value, name), name)
    origin = get_origin(kind) or kind
    if origin is tuple:
        item, *_ = get_args(kind)
        items = _expected(list, value, name)
        return tuple(typed(item, one, f"{name}[{i}]") for i, one in enumerate(items))
    return _expected(origin, value, name)


def _fields(kind: type, values: dict[str, Any], name: str) -> object:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        absent = dataclasses.MISSING
        if field.name not in values and field.default is field.default_factory is absent:
            raise ValueError(f"{name} lacks {field.name}")
    if unknown := [key for key in values if key not in hints]:
        raise ValueError(f"{name} has {_shown(unknown[0])}, which is not known")
    return kind(**{key: typed(hints[key], value, f"{name}.{key}") for key, value in values.items()})


def _expected(kind: Any, value: object, name: str) -> Any:  # noqa: ANN401
    if type(value) is kind and kind is not float:
        return value
    if kind is float and type(value) in (int, float):
        number = float(str(value))  # infinite, not an error, of a whole number too large for it
        if abs(number) < _LARGEST:  # NaN is not
            return number
    raise ValueError(f"{name} is {_shown(value)}, not {_JSON_NAMES[kind]}")


def _shown(value: object) -> str:
    """Return a JSON value as text for an error: on one line, and short."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
