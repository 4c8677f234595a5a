"""XML-RPC as bytes: what is read, what is written, and every attack on the reader."""

from __future__ import annotations

from xmlrpc.client import dumps, loads

import pytest

from cln.api.xmlrpc.codec import (
    DEPTH_MAX,
    MalformedXml,
    read_call,
    read_params,
    write_call,
    write_fault,
    write_result,
)

CALL = "<methodCall><methodName>a.b</methodName><params>{}</params></methodCall>"


def arguments(value: str) -> object:
    """The first argument of a call with this text inside `<value>`."""
    call = read_call(CALL.format(f"<param><value>{value}</value></param>").encode())
    assert call.method == "a.b"
    return call.arguments[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("", ""),
        ("<string>a &lt; b</string>", "a < b"),
        ("<string/>", ""),
        ("<i4>-7</i4>", -7),
        ("<int> 7 </int>", 7),
        ("<i8>9999999999</i8>", 9999999999),
        ("<boolean>1</boolean>", True),
        ("<boolean>0</boolean>", False),
        ("<double>1.5</double>", 1.5),
        ("<nil/>", None),
        ("<base64>aGk=</base64>", "aGk="),
        ("<dateTime.iso8601>20260101T00:00:00</dateTime.iso8601>", "20260101T00:00:00"),
        ("<array><data/></array>", []),
        ("<array><data><value>x</value><value><i4>1</i4></value></data></array>", ["x", 1]),
        ("<struct><member><name>n</name><value>v</value></member></struct>", {"n": "v"}),
    ],
)
def test_a_value_is_read_typed_or_bare_x13(text: str, value: object) -> None:
    found = arguments(text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "<i4>٣</i4>",
        "<i4>1_0</i4>",
        "<i4></i4>",
        f"<i4>{'9' * 20}</i4>",
        "<boolean>true</boolean>",
        "<double>nan</double>",
        "<double>inf</double>",
        "<double>1e999</double>",
        "<nonsense>1</nonsense>",
        "<struct><member><name>n</name></member></struct>",
    ],
)
def test_a_value_that_is_not_of_its_type_is_malformed(text: str) -> None:
    with pytest.raises(MalformedXml):
        arguments(text)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
ATTACKS = {
    "nothing": b"",
    "not XML": b"nonsense",
    "JSON": b'{"methodName": "a.b"}',
    "not closed": b"<methodCall><methodName>a.b</methodName>",
    "another document": b"<html/>",
    "no method": b"<methodCall><params/></methodCall>",
    "a DOCTYPE": b"<!DOCTYPE methodCall>" + CALL.format("").encode(),
    "an external DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">' + CALL.format("").encode(),
    "an external entity": (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        + CALL.format("<param><value>&a;</value></param>").encode()
    ),
    "a parameter entity": (
        b'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x"> %a;]>' + CALL.format("").encode()
    ),
    "billion laughs": (LAUGHS + CALL.format("<param><value>&b;</value></param>")).encode(),
    "an undefined entity": CALL.format("<param><value>&a;</value></param>").encode(),
    "deep nesting": (
        "<methodCall><methodName>a</methodName>" + "<params>" * 100_000 + "</params>" * 100_000
    ).encode(),
    "deep arrays": CALL.format(
        "<param>"
        + "<value><array><data>" * DEPTH_MAX
        + "</data></array></value>" * DEPTH_MAX
        + "</param>"
    ).encode(),
    "too many elements": CALL.format("<param/>" * 250_001).encode(),
    "an unknown encoding": b'<?xml version="1.0" encoding="x-nonsense"?>' + CALL.encode(),
    "not UTF-8": CALL.format("<param><value>\xff</value></param>").encode("latin-1"),
    "a NUL": CALL.format("<param><value>\0</value></param>").encode(),
    "a surrogate": CALL.format("<param><value>&#xD800;</value></param>").encode(),
}


@pytest.mark.parametrize("body", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_on_the_reader_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedXml):
        read_call(body)


def test_a_document_of_params_alone_is_read_as_pythons_library_writes_it() -> None:
    text = '<?xml version="1.0"?>\n' + dumps(({"a": "x", "b": ["y", 1]},))

    assert read_params(text) == ({"a": "x", "b": ["y", 1]},)
    with pytest.raises(MalformedXml):
        read_params("<methodCall/>")


def test_an_integer_is_written_as_i4_tv_8() -> None:
    assert write_result(0) == (
        b"<?xml version='1.0'?>\n"
        b"<methodResponse><params><param><value><i4>0</i4></value></param></params>"
        b"</methodResponse>\n"
    )


def test_what_is_written_is_what_pythons_library_reads() -> None:
    value = {"a": [1, -1, True, False, 1.5, "<&>", "é"], "b": {}, "c": [], "d": ""}

    assert loads(write_result(value)) == ((value,), None)


def test_characters_that_xml_cannot_carry_are_left_out() -> None:
    assert loads(write_result("a\x00\x1b\ud800\ufffeb\n")) == (("ab\n",), None)


def test_a_fault_has_its_code_and_its_text() -> None:
    assert write_fault(-61, "no") == (
        b"<?xml version='1.0'?>\n"
        b"<methodResponse><fault><value><struct>"
        b"<member><name>faultCode</name><value><i4>-61</i4></value></member>"
        b"<member><name>faultString</name><value><string>no</string></value></member>"
        b"</struct></value></fault></methodResponse>\n"
    )


def test_nil_is_never_written_ar_4() -> None:
    with pytest.raises(AssertionError, match="nil is never answered"):
        write_result(None)


def test_an_action_is_a_call_that_pythons_library_reads() -> None:
    assert loads(write_call("hardware.refresh_list")) == ((), "hardware.refresh_list")
