"""URIs of keys in tokens (RFC 7512): what is written is what is meant, and nothing else is guessed."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.token_uris import TokenUri, UriInvalid

QUERY = "module-path=/usr/lib/library.so&pin-source=file:/etc/pin"
names = st.text(min_size=1, max_size=20)


@given(names, names, st.binary(max_size=8))
def test_every_name_is_read_as_it_was_written(token: str, label: str, key_id: bytes) -> None:
    percent = "".join(f"%{each:02X}" for each in key_id)
    uri = TokenUri.parse(f"pkcs11:token={quote(token)};object={quote(label)};id={percent}?{QUERY}")
    assert (uri.token, uri.object, uri.id) == (token, label, key_id)
    assert TokenUri.parse(f"{uri}?{QUERY}") == uri, "what people are shown means the same key"
    assert "/etc/pin" not in str(uri)


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_refused(text: str) -> None:
    try:
        TokenUri.parse(f"pkcs11:{text}")
    except UriInvalid:
        return


@pytest.mark.parametrize("source", ["file:/etc/pin", "file:///etc/pin", "/etc/pin", "file:%2Fetc%2Fpin"])
def test_the_file_of_a_pin_has_the_forms_of_a_file_uri(source: str) -> None:
    found = TokenUri.parse(f"pkcs11:token=a;object=b?module-path=/l.so&pin-source={source}")
    assert found.pin_source == Path("/etc/pin")


def test_what_the_tools_of_debian_print_is_taken_with_a_query() -> None:
    path = "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=cfbcad126b5edad9;token=one;id=%02;object=li"
    found = TokenUri.parse(f"{path};type=private?{QUERY}\n")
    assert (found.model, found.manufacturer) == ("SoftHSM v2", "SoftHSM project")
    assert (found.serial, found.token, found.id, found.object) == ("cfbcad126b5edad9", "one", b"\x02", "li")


@pytest.mark.parametrize("attribute", ["pin-value=1234", "x-secret=1234", "1234"])
def test_a_refused_attribute_is_told_without_its_value(attribute: str) -> None:
    for uri in (f"pkcs11:token=a;object=b;{attribute}?{QUERY}", f"pkcs11:token=a;object=b?{QUERY}&{attribute}"):
        with pytest.raises(UriInvalid) as raised:
            TokenUri.parse(uri)
        assert "1234" not in str(raised.value)
