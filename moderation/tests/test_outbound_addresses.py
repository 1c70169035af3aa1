"""The webhook client against addresses it must never dial."""

import ipaddress
import socket

import pytest

from moderation import outbound
from moderation.outbound import OutboundError, check_url, is_public
from moderation.tests.webhook_servers import refusal, says, send

pytest_plugins = ["moderation.tests.webhook_servers"]
pytestmark = pytest.mark.usefixtures("dialled")

# Addresses

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1
240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::a00:1
100::1 2001::1 2001:0:7f00:1:: 2001:db8::1 2002:7f00:1::1 2002:a9fe:a9fe:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254
fe80::1 fec0::1 ff02::1 ff0e::1
"""
ALL_PRIVATE = PRIVATE.split()


@pytest.mark.parametrize("text", ALL_PRIVATE)
def test_a_private_address_is_refused_as_a_literal_and_behind_a_name(text, names, dialled):
    assert not is_public(ipaddress.ip_address(text))
    literal = f"[{text}]" if ":" in text else text
    names["hooks.example"] = [[text]]
    for url in (f"https://{literal}/", "https://hooks.example/"):
        assert refusal(url, allow_loopback=False).code == "refused_address"
    assert dialled == []


@pytest.mark.parametrize(
    "text", [text for text in ALL_PRIVATE if not outbound._is_loopback(ipaddress.ip_address(text))]
)
def test_the_development_setting_allows_loopback_and_nothing_else(text, names, dialled):
    literal = f"[{text}]" if ":" in text else text
    for scheme in ("http", "https"):
        assert refusal(f"{scheme}://{literal}/").code == "refused_address"
    assert dialled == []


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])
def test_public_addresses_are_public(text):
    assert is_public(ipaddress.ip_address(text))


SPELLINGS = """
https://2130706433/ https://0x7f000001/ https://017700000001/ https://0177.0.0.1/ https://0x7f.1/ https://127.1/
https://127.0.1/ https://0/ https://0x0/ https://2852039166/ https://0xa9fea9fe/ https://169.254.43518/ https://10.1/
https://[0:0:0:0:0:0:0:1]/ https://[::ffff:7f00:1]/ https://[::FFFF:169.254.169.254]/ https://127.0.0.1./
https://3232235777/ https://0300.0250.1.1/ https://[2002:7f00:0001::]/ https://[64:ff9b::a9fe:a9fe]/
https://127\u30020\u30020\u30021/
"""


@pytest.mark.parametrize("url", SPELLINGS.split())
def test_other_spellings_of_private_addresses_are_refused(url, names, dialled):
    assert refusal(url, allow_loopback=False).code in {"refused_address", "unreachable", "bad_url"}
    assert dialled == []


def test_the_number_spellings_really_reach_the_guard(names):
    assert refusal("https://2130706433/", allow_loopback=False).code == "refused_address"
    assert refusal("https://0x7f.1/", allow_loopback=False).code == "refused_address"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "ip6-localhost", "localhost.localdomain"])
def test_names_of_this_machine_are_refused(host, dialled):
    assert refusal(f"https://{host}/", allow_loopback=False).code in {"refused_address", "unreachable"}
    assert dialled == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80@evil.example/",
        "https://127.0.0.1:80@evil.example/",
        "https://user@evil.example/",
        "https://@evil.example/",
        "https://evil.example\\@127.0.0.1/",
        "https://evil.example%2f@127.0.0.1/",
        "http://evil.example/",
        "ftp://evil.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/_x",
        "//evil.example/",
        "evil.example",
        "",
        "https://",
        "https:///x",
        "https://[fe80::1%25lo]/",
        "https://[::1",
        "https://[v1.x]/",
        "https://evil example/",
        "https://evil.example/\r\nX-Injected: 1",
        "https://evil.example/\x00",
        "https://evil%2eexample/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "https://ⓛocalhost/",
        "https://*.example/",
        "https://evil.example:22/",
        "https://evil.example:0/",
        "https://evil.example:99999/",
        "https://evil.example:x/",
        "https://evil.example/" + "a" * 2000,
        "https://\ud800.example/",
    ],
)
def test_a_bad_url_is_refused_before_any_look_up(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert refusal(url, allow_loopback=False).code == "bad_url"
    with pytest.raises(OutboundError):
        check_url(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url", ["https://a.example/x?y=1", "https://a.example:8443", "https://bücher.example/", "HTTPS://A.EXAMPLE"]
)
def test_a_proper_url_has_nothing_against_it(url):
    assert check_url(url, allow_loopback=False).scheme == "https"


@pytest.mark.parametrize("answers", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_one_private_answer_among_public_ones_is_enough(answers, scheme, names, dialled):
    names["hooks.example"] = [answers]
    error = refusal(f"{scheme}://hooks.example/", allow_loopback=False)
    assert error.code == ("refused_address" if scheme == "https" else "bad_url")
    assert dialled == []


def test_http_and_odd_ports_stay_on_loopback_when_it_is_allowed(names, dialled):
    names["hooks.example"] = [["8.8.8.8"], ["8.8.8.8"], ["127.0.0.1", "8.8.8.8"]]
    assert refusal("http://hooks.example/").code == "bad_url"
    assert refusal("https://hooks.example:22/").code == "bad_url"
    assert refusal("http://hooks.example/").code == "bad_url"
    assert dialled == []


def test_rebinding_finds_no_second_look_up(start, names, dialled):
    server = start(says("200 OK", b"judged"))
    names["hooks.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    url = f"http://hooks.example:{server.port}/"
    assert send(url).body == b"judged"
    assert names["hooks.example"] == [["10.0.0.1"]]
    assert f"Host: hooks.example:{server.port}".encode() in server.requests[0]
    # The next delivery looks up, and judges, anew.
    assert refusal(url).code == "refused_address"
    assert dialled == ["127.0.0.1"]


def test_a_dead_first_address_leaves_the_second(start, names, dialled):
    server = start(says("200 OK"))
    names["hooks.example"] = [["::1", "127.0.0.2", "127.0.0.1"]]
    assert send(f"http://hooks.example:{server.port}/").status == 200
    assert dialled == ["::1", "127.0.0.2", "127.0.0.1"]
