"""However a stream is cut into pieces, the frames that come out are those that went in."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ganger.errors import FrameTooLarge
from ganger.protocol.framing import HEADER, HEADER_BYTES, FrameParser, frame

LIMIT_BYTES = 1_000


def feed(parser: FrameParser, *pieces: bytes) -> list[bytes]:
    return [bytes(body) for piece in pieces for body in parser.feed(piece)]


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, bodies))
    parser = FrameParser(LIMIT_BYTES)
    found, at = [], 0
    while at < len(stream):
        end = at + data.draw(st.integers(1, 40) | st.integers(1, len(stream)))
        found += feed(parser, stream[at:end])
        at = end
        assert parser.buffered_bytes <= LIMIT_BYTES + HEADER_BYTES
    assert found == bodies
    assert parser.buffered_bytes == 0


def test_single_bytes_are_enough() -> None:
    stream = frame(b"") + frame(b"a body") + frame(b"")
    parser = FrameParser(LIMIT_BYTES)
    assert feed(parser, *[stream[at : at + 1] for at in range(len(stream))]) == [b"", b"a body", b""]


def test_nothing_comes_of_nothing() -> None:
    parser = FrameParser(LIMIT_BYTES)
    assert feed(parser, b"", b"") == []
    assert feed(parser, frame(b"x")[:3], b"", frame(b"x")[3:]) == [b"x"]


def test_what_is_held_of_a_frame_can_be_asked_for() -> None:
    parser = FrameParser(LIMIT_BYTES)
    feed(parser, frame(b"whole") + frame(b"half of it")[:7])
    assert parser.buffered_bytes == 7


def test_the_longest_frame_passes_and_a_longer_one_does_not() -> None:
    assert feed(FrameParser(LIMIT_BYTES), frame(b"x" * LIMIT_BYTES)) == [b"x" * LIMIT_BYTES]
    with pytest.raises(FrameTooLarge, match="1,001 bytes is over the limit of 1,000"):
        feed(FrameParser(LIMIT_BYTES), HEADER.pack(LIMIT_BYTES + 1))


@given(st.integers(LIMIT_BYTES + 1, (1 << 32) - 1), st.integers(1, HEADER_BYTES), st.binary(max_size=50))
def test_a_frame_that_announces_too_much_is_refused_before_it_is_read(
    size: int, cut: int, rest: bytes
) -> None:
    header = HEADER.pack(size)
    parser = FrameParser(LIMIT_BYTES)
    feed(parser, frame(b"good"), header[:cut]) if cut < HEADER_BYTES else None
    with pytest.raises(FrameTooLarge):
        feed(parser, (header[cut:] if cut < HEADER_BYTES else header) + rest)


def test_frames_before_a_bad_one_are_delivered() -> None:
    parser = FrameParser(LIMIT_BYTES)
    found = []
    with pytest.raises(FrameTooLarge):
        for body in parser.feed(frame(b"good") + HEADER.pack(1 << 30)):
            found.append(bytes(body))  # the error comes in the middle of the loop
    assert found == [b"good"]


@given(st.binary(max_size=200))
def test_noise_is_frames_or_is_refused(noise: bytes) -> None:
    try:
        feed(FrameParser(LIMIT_BYTES), noise)
    except FrameTooLarge:
        pass
