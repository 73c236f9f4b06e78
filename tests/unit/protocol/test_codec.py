"""What is encoded comes back; what is not of the schema is refused whole, with one kind of error."""

import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from ganger.errors import MalformedFrame
from ganger.protocol import codec, messages, records
from ganger.protocol.codec import Decoder, encode, encode_records
from tests.environment.frames import DIRECTIONS, kinds, values_of

EVERY_KIND = [
    (direction, kind)
    for direction, (_, union) in DIRECTIONS.items()
    if direction != "records"
    for kind in kinds(union)
]


def test_every_decoder_is_tested() -> None:
    decoders = {value for value in vars(codec).values() if isinstance(value, Decoder)}
    assert {decoder for decoder, _ in DIRECTIONS.values()} == decoders


@pytest.mark.parametrize(("direction", "kind"), EVERY_KIND, ids=lambda each: getattr(each, "__name__", each))
def test_every_message_comes_back_as_it_was(direction: str, kind: type) -> None:
    decode, _ = DIRECTIONS[direction]

    @settings(max_examples=30)
    @given(values_of(kind))
    def check(message: object) -> None:
        assert decode(encode(message)) == message
        assert type(decode(memoryview(encode(message)))) is kind

    check()


@pytest.mark.parametrize("kind", kinds(records.Record), ids=lambda kind: kind.__name__)
def test_every_record_comes_back_as_it_was(kind: type) -> None:
    @settings(max_examples=30)
    @given(st.lists(values_of(kind), max_size=3))
    def check(batch: list[object]) -> None:
        assert codec.decode_records(encode_records(batch)) == batch  # type: ignore[arg-type]

    check()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_noise_is_refused_with_a_malformed_frame(direction: str) -> None:
    decode, _ = DIRECTIONS[direction]

    @settings(max_examples=200)
    @given(st.binary(max_size=64))
    def check(noise: bytes) -> None:
        try:
            decode(noise)
        except MalformedFrame as error:
            assert str(error).startswith(f"not a {decode.label}: ")

    check()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_damaged_frame_is_refused_or_means_something_else_of_the_schema(direction: str) -> None:
    decode, union = DIRECTIONS[direction]
    whole = values_of(union)

    @settings(max_examples=100)
    @given(whole, st.data())
    def check(message: object, data: st.DataObject) -> None:
        damaged = bytearray(encode(message))
        for _ in range(data.draw(st.integers(1, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        body = bytes(
            damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
        )
        try:
            again = decode(body)
        except MalformedFrame:
            return
        assert decode(encode(again)) == again

    check()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_other_msgpack_is_refused_with_a_malformed_frame(direction: str) -> None:
    decode, _ = DIRECTIONS[direction]
    scalars = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text()
    trees = st.recursive(
        scalars | st.binary(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
    )

    @settings(max_examples=60)
    @given(trees)
    def check(tree: object) -> None:
        try:
            decode(msgpack.encode(tree))
        except MalformedFrame:
            pass

    check()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_nesting_without_end_is_refused(direction: str) -> None:
    decode, _ = DIRECTIONS[direction]
    for opening in (b"\x91", b"\x81\xa0", b"\xdd\x00\x00\x00\x01"):
        with pytest.raises(MalformedFrame):
            decode(opening * 100_000)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_length_that_is_not_there_costs_no_memory(direction: str) -> None:
    decode, _ = DIRECTIONS[direction]
    for claim in (
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
    ):
        with pytest.raises(MalformedFrame):
            decode(claim)
        with pytest.raises(MalformedFrame):
            decode(b"\x92\xa6submit" + claim)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_text_that_is_not_utf8_is_refused(direction: str) -> None:
    decode, _ = DIRECTIONS[direction]
    with pytest.raises(MalformedFrame):
        decode(b"\x92\xa2\xff\xfe\x01")


def test_what_stands_behind_a_message_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        codec.decode_from_client(encode(messages.Ping()) + b"\x00")


def test_a_message_of_another_direction_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        codec.decode_from_client(encode(messages.Recorded(1)))
    with pytest.raises(MalformedFrame):
        codec.decode_from_worker(encode(messages.Submit([])))


def test_a_decoded_payload_does_not_pin_its_frame() -> None:
    frame = bytearray(encode(messages.Results([1], [b"x" * 1_000])))
    message = codec.decode_to_client(memoryview(frame))
    frame.clear()  # refuses while anybody still looks into it
    assert isinstance(message, messages.Results)
    assert message.payloads == [b"x" * 1_000]
    assert not gc.is_tracked(message)


def test_a_newer_peer_may_append_fields() -> None:
    longer = msgpack.encode(["recorded", 7, "something new"])
    assert codec.decode_to_worker(longer) == messages.Recorded(7)
