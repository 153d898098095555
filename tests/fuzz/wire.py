"""Raw HTTP: heads, framings, chunks and pipelines that parsers read in different ways."""

import random
from itertools import pairwise

from tests.fuzz.mutations import broken
from tests.fuzz.requests import Input

BODY = b'{"prompt":"Hello","max_tokens":2}'
SMUGGLED = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
METHODS = (
    b"GET", b"POST", b"POST", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE",
    b"get", b"PRI", b"G\tT", b"", b"POST ", b"M-SEARCH", b"A" * 50,
)  # fmt: skip
TARGETS = (
    b"/generate", b"/generate", b"/v1/completions", b"/v1/messages", b"/livez", b"/v1/models", b"/",
    b"/metrics", b"*", b"", b"http://localhost/livez", b"http://localhost", b"//livez", b"/%",
    b"/%2e%2e/", b"/%00", b"/\xff", b"/a b", b"localhost:80", b"/" + b"a" * 9000, b"/livez?\xff",
    b"/v1/models/%ff", b"/livez#a", b"?a", b"/docs/../livez", b"/LIVEZ", b"/web/..%2f..%2fx",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0",
    b"HTTP/1.2", b"http/1.1", b"HTTP/1", b"", b"HTTP/1.1 ", b"HTTP/11.1", b"ICE/1.0",
)  # fmt: skip
LENGTHS = (
    b"%d", b"%d", b"%d", b"+%d", b" %d ", b"%d, %d", b"0%d", b"-%d", b"0x%d", b"%d0", b"1%d", b"",
    b"99999999999999999999", b"%d\x00", b"%d.0", b"1e1", b"18446744073709551617",
)  # fmt: skip
CODINGS = (
    b"chunked", b"chunked", b"chunked", b"Chunked", b"identity", b"chunked, identity",
    b"identity, chunked", b"gzip, chunked", b" chunked ", b"\x0bchunked", b"xchunked", b'"chunked"',
    b"chunked\r\ntransfer-encoding: chunked", b"chunked\r\ntransfer-encoding: x", b"",
)  # fmt: skip
SIZES = (
    b"%x", b"%x", b"%x", b"%x", b"%X", b"0%x", b"+%x", b"-%x", b"0x%x", b" %x", b"%x ", b"%x;a=b",
    b'%x;a="\r\n"', b"%x\n", b"fffffffffffffffff", b"%x\x00", b"g", b"", b"%x;" + b"e" * 9000,
)  # fmt: skip
FIELDS = (
    b"connection: close", b"connection: keep-alive", b"connection: upgrade\r\nupgrade: websocket",
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP",
    b"expect: 100-continue", b"expect: 200", b"x: a\r\n b", b" x: a", b"x : a", b"x", b": a", b"x:",
    b"x: \x00", b"x: \xff\xfe", b"x: a\rb", b"x: a\nb: c", b"\x00: a", b"host: a", b"host:",
    b"content-type: text/plain", b"content-encoding: br", b"transfer-encoding : chunked",
    b"content-length : 5", b"x: " + b"a" * 30_000, b"te: trailers", b"trailer: content-length",
    b"content\xadlength: 5", b"proxy-connection: keep-alive", b"x-request-id: \x7f",
)  # fmt: skip
ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\n\r\n", b"\r\r\n")


def chunks(rng: random.Random, body: bytes) -> bytes:
    """Returns a body in chunks, some of which say their size in odd ways."""
    data, odd = b"", rng.random() < 0.5
    while body:
        cut = rng.randrange(1, 40)
        part, body = body[:cut], body[cut:]
        form = rng.choice(SIZES) if odd and rng.random() < 0.5 else b"%x"
        size = form % len(part) if b"%" in form else form
        data += size + b"\r\n" + part + (rng.choice(ENDS) if odd else b"\r\n")
    trailers = rng.choice((b"", b"", b"x: a\r\n", b"content-length: 9\r\n", b"x: " + b"b" * 9000))
    return (
        data + rng.choice((b"0", b"0", b"0", b"00", b"0;a", b"-0")) + b"\r\n" + trailers + b"\r\n"
    )


def framing(rng: random.Random, body: bytes) -> tuple[list[bytes], bytes]:
    """Returns the header lines that frame a body, with the body as it is sent."""
    coding = b"transfer-encoding: " + rng.choice(CODINGS)
    length = rng.choice(LENGTHS)
    count = length.count(b"%d")
    line = b"content-length: " + (length % ((len(body),) * count) if count else length)
    match rng.randrange(8):
        case 0:
            return [], rng.choice((b"", body))
        case 1 | 2:
            return [coding], chunks(rng, body)
        case 3:
            return [line, coding], chunks(rng, body) + SMUGGLED
        case 4:
            return [coding, line], body + SMUGGLED
        case 5:
            return [line, b"content-length: 0"], body
    return [line], body


def message(rng: random.Random) -> bytes:
    """Returns something like a request; three of four parts are as they should be."""

    def pick(every: tuple[bytes, ...]) -> bytes:
        return rng.choice(every) if rng.random() < 0.25 else every[0]

    method = rng.choice((b"POST", b"GET")) if rng.random() < 0.7 else rng.choice(METHODS)
    lines = [b" ".join((method, pick(TARGETS), pick(VERSIONS)))]
    fields = [b"host: localhost", b"content-type: application/json"]
    fields += rng.sample(FIELDS, rng.choice((0, 0, 1, 2)))
    frame, body = framing(rng, BODY) if method != b"GET" or rng.random() < 0.2 else ([], b"")
    fields += frame
    rng.shuffle(fields)
    end = pick(ENDS)
    return end.join([*lines, *fields, b"", b""]) + body


def wire(rng: random.Random, index: int) -> Input:
    """Returns one to four messages as they go over one connection, some broken, in pieces."""
    data = b"".join(message(rng) for _ in range(rng.choice((1, 1, 2, 4))))
    if rng.random() < 0.3:
        data = broken(rng, data)
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
    edges = [0, *cuts, len(data)]
    return Input(index, tuple(data[a:b] for a, b in pairwise(edges)))
