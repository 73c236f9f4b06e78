"""Messages and records to bytes and back, by strict schema: what does not fit is refused whole.

Encoders and decoders are made once; all are safe to share between threads of one process as
msgspec's are. A decoder copies payloads out of the frame, so a task that stays in memory never
pins the frame that it came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from ganger.errors import MalformedFrame
from ganger.protocol.executor_messages import FromExecutor, FromZygote, ToExecutor, ToZygote
from ganger.protocol.messages import FromClient, FromWorker, Hello, ToClient, ToWorker
from ganger.protocol.records import Record

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
"""Any message or list of records to msgpack."""


class Decoder(Generic[T]):
    """Decodes bodies of one direction.

    Args:
        schema: The type of what may come.
        label: How errors name it.
    """

    __slots__ = ("_decode", "label")

    def __init__(self, schema: object, label: str) -> None:
        self._decode = msgspec.msgpack.Decoder(schema).decode
        self.label = label

    def __call__(self, body: bytes | memoryview) -> T:
        """The message in `body`.

        Raises:
            MalformedFrame: The bytes are not msgpack, or not of the schema.
        """
        try:
            message: T = self._decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise MalformedFrame(f"not a {self.label}: {error}") from error
        return message


decode_hello: Decoder[Hello] = Decoder(Hello, "greeting")
decode_from_client: Decoder[FromClient] = Decoder(FromClient, "client message")
decode_from_worker: Decoder[FromWorker] = Decoder(FromWorker, "worker message")
decode_to_client: Decoder[ToClient] = Decoder(ToClient, "message from a master to a client")
decode_to_worker: Decoder[ToWorker] = Decoder(ToWorker, "message from a master to a worker")
decode_to_executor: Decoder[ToExecutor] = Decoder(ToExecutor, "message from an agent to an executor")
decode_from_executor: Decoder[FromExecutor] = Decoder(FromExecutor, "message from an executor")
decode_to_zygote: Decoder[ToZygote] = Decoder(ToZygote, "message from an agent to its zygote")
decode_from_zygote: Decoder[FromZygote] = Decoder(FromZygote, "message from a zygote")
decode_records: Decoder[list[Record]] = Decoder(list[Record], "batch of records")


def encode_records(records: Sequence[Record]) -> bytes:
    """One batch for the journal."""
    return encode(records)
