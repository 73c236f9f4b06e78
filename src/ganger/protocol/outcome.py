"""How an error of a task travels: as text that anyone can read and a pickle that only clients open."""

from __future__ import annotations

import msgspec
from msgspec import Struct, msgpack

from ganger.errors import MalformedFrame


class ErrorInfo(Struct, array_like=True, frozen=True):
    """An error of an attempt.

    Attributes:
        kind: As in `Failure.kind`.
        type_name: The qualified name of the exception's class.
        text: Its message.
        traceback: The remote traceback as text.
        pickled: The exception itself, or empty where it could not be pickled.
        numbers: Measured amounts that belong to it, such as ``peak_bytes``.
    """

    kind: str
    type_name: str
    text: str
    traceback: str = ""
    pickled: bytes = b""
    numbers: dict[str, int] = {}


_decoder = msgpack.Decoder(ErrorInfo)


def encode_error(info: ErrorInfo) -> bytes:
    """The bytes of an error."""
    return msgpack.encode(info)


def decode_error(body: bytes) -> ErrorInfo:
    """The error in the bytes.

    Raises:
        MalformedFrame: They hold something else.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedFrame(f"not an error of a task: {error}") from error
