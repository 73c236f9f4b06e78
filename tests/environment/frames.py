"""Hypothesis strategies for everything that travels or stands in the journal, made from the types themselves."""

import typing

import hypothesis.strategies as st
import msgspec
from hypothesis.strategies import SearchStrategy

from ganger.protocol import codec, executor_messages, messages, records
from ganger.protocol.codec import Decoder

# Each direction with the messages that it carries; a test makes sure that no direction is forgotten.
DIRECTIONS: dict[str, tuple[Decoder[object], object]] = {
    "hello": (codec.decode_hello, messages.Hello),
    "from a client": (codec.decode_from_client, messages.FromClient),
    "from a worker": (codec.decode_from_worker, messages.FromWorker),
    "to a client": (codec.decode_to_client, messages.ToClient),
    "to a worker": (codec.decode_to_worker, messages.ToWorker),
    "to an executor": (codec.decode_to_executor, executor_messages.ToExecutor),
    "from an executor": (codec.decode_from_executor, executor_messages.FromExecutor),
    "to a zygote": (codec.decode_to_zygote, executor_messages.ToZygote),
    "from a zygote": (codec.decode_from_zygote, executor_messages.FromZygote),
    "records": (codec.decode_records, list[records.Record]),  # type: ignore[valid-type]
}

INTEGERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(0, 300)
FLOATS = st.floats(allow_nan=False)


def kinds(union: object) -> tuple[type[msgspec.Struct], ...]:
    """The structs of a union, or the one struct that it is."""
    return typing.get_args(union) or (union,)  # type: ignore[return-value]


PLAIN: dict[object, SearchStrategy[object]] = {
    int: INTEGERS,
    float: FLOATS,
    bool: st.booleans(),
    str: st.text(max_size=5),
    bytes: st.binary(max_size=5),
    type(None): st.none(),
}


class Schema:
    """Makes values of types, as wide as the types allow unless a test knows more telling ones.

    Args:
        telling: Strategies for plain types that replace the widest ones.
    """

    def __init__(self, telling: dict[object, SearchStrategy[object]] | None = None) -> None:
        self._known = {**PLAIN, **(telling or {})}

    def values_of(self, annotation: object) -> SearchStrategy[object]:
        """Values of a type."""
        known = self._known.get(annotation)
        if known is None:
            known = self._known[annotation] = self._make(annotation)
        return known

    def _make(self, annotation: object) -> SearchStrategy[object]:
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            hints = typing.get_type_hints(annotation)
            fields = {name: self.values_of(hints[name]) for name in annotation.__struct_fields__}
            return st.builds(annotation, **fields)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is list:
            return st.lists(self.values_of(arguments[0]), max_size=3)
        if origin is dict:
            return st.dictionaries(*map(self.values_of, arguments), max_size=3)
        if origin is tuple:
            return st.tuples(*map(self.values_of, arguments))
        return st.one_of(*map(self.values_of, arguments))


values_of = Schema().values_of
