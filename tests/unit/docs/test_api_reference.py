"""The API page and the state diagram say what the code says today."""

from docs.generate import api_reference

REWRITE = "it is out of date: run docs/generate/api_reference.py"


def test_the_page_of_the_api_is_current() -> None:
    assert api_reference.PAGE.read_text(encoding="utf-8") == api_reference.make_page(), REWRITE


def test_the_state_diagram_is_current() -> None:
    assert api_reference.CONCEPTS.read_text(encoding="utf-8") == api_reference.make_concepts(), REWRITE


def test_every_public_name_stands_on_the_page() -> None:
    import ganger

    page = api_reference.make_page()
    assert all(f"`{name}" in page for name in ganger.__all__ if name != "errors")
