"""Errors travel as text for everybody and as bytes for whoever may open them."""

import pytest
from hypothesis import given

from ganger.errors import MalformedFrame
from ganger.protocol.outcome import ErrorInfo, decode_error, encode_error
from tests.environment.frames import values_of


@given(values_of(ErrorInfo))
def test_an_error_comes_back_as_it_was(info: ErrorInfo) -> None:
    assert decode_error(encode_error(info)) == info


def test_bytes_that_are_no_error_are_refused() -> None:
    with pytest.raises(MalformedFrame):
        decode_error(b"noise")
