"""Values that a field or an option may have: its annotation says them, and `broken_rule` what is wrong with others."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Must:
    """In an annotation, a rule for the values: `text` completes "NAME must ..."."""

    text: str
    holds: Callable[[Any], bool]


ABOVE_0 = Must("be above 0", lambda x: x > 0)
NOT_NEGATIVE = Must("not be negative", lambda x: x >= 0)

MAX_SIDE = 2048  # px, four times the largest Q of VGG; at 16:1 a view of it takes 0.8 GB
Count = Annotated[int, ABOVE_0]
Pixels = Annotated[int, Must(f"lie in [1, {MAX_SIDE}]", lambda x: 1 <= x <= MAX_SIDE)]
Positive = Annotated[float, ABOVE_0]
NotNegative = Annotated[float, NOT_NEGATIVE]
Colour = Annotated[float, Must("lie in [0, 255]", lambda x: 0 <= x <= 255)]
Momentum = Annotated[float, Must("lie in [0, 1)", lambda x: 0 <= x < 1)]
Seed = Annotated[int, Must("lie in [0, 2^31)", lambda x: 0 <= x < 2**31)]

# True is an int in Python, but no number of epochs
PLAIN: dict[type, Must] = {
    int: Must("be a whole number", lambda x: isinstance(x, int) and not isinstance(x, bool)),
    float: Must("be a number", lambda x: isinstance(x, (int, float)) and not isinstance(x, bool) and isfinite(x)),
    bool: Must("be True or False", lambda x: isinstance(x, bool)),
    str: Must("be text", lambda x: isinstance(x, str)),
    NoneType: Must("be None", lambda x: x is None),
}


def broken_rule(value: Any, kind: Any) -> str:
    """The rule of the annotation `kind` that `value` breaks; empty where it breaks none, or `kind` has none."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return broken_rule(value, args[0]) or ("" if args[1].holds(value) else args[1].text)
    if origin is Literal:
        return "" if value in args else f"be one of {', '.join(args)}"
    if origin in (Union, UnionType):
        rules = [broken_rule(value, arg) for arg in args]
        return rules[0] if all(rules) else ""
    if origin is tuple:
        return broken_rule_of_tuple(value, args)
    if origin is dict and not isinstance(value, dict):
        return "be values by name"
    if origin is dict:
        return broken_rule_of_tuple((*value, *value.values()), (args[0],) * len(value) + (args[1],) * len(value))
    return "" if kind not in PLAIN or PLAIN[kind].holds(value) else PLAIN[kind].text


def broken_rule_of_tuple(values: Any, kinds: tuple[Any, ...]) -> str:
    """As `broken_rule`, of several values: one for each of `kinds`, or any number where the second is `...`."""
    if not isinstance(values, tuple):
        return "be a tuple"
    if kinds[1:] == (...,):
        kinds = kinds[:1] * len(values)
    if len(values) != len(kinds):
        return f"be {len(kinds)} values"
    return next((f"each {rule}" for rule in map(broken_rule, values, kinds) if rule), "")


def check_fields(cls: type, values: Any, besides: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless `values`, as JSON gives them, fit the fields of a dataclass, all but `besides`."""
    kinds = {name: kind for name, kind in get_type_hints(cls, include_extras=True).items() if name not in besides}
    if not isinstance(values, dict) or set(values) != set(kinds):
        raise ValueError(f"the values of {cls.__name__} must be {', '.join(kinds)}")
    for name, kind in kinds.items():
        if rule := broken_rule(values[name], kind):
            raise ValueError(f"{name} must {rule}, not {values[name]!r}")
