"""memoryd behind nginx and Caddy, as packaging/proxy and docs/REVERSE-PROXY.md have it: what works without a proxy works there."""

import json
import pathlib
import re
import urllib.parse

import pytest
from conftest import KEY, ROOT, poll
from proxies import CLIENT, DEPLOY, FILES, configuration, proxy, settings  # noqa: F401

VICTIM = "192.0.2.66"
# Whatever a client could say in the name of a proxy.
CLAIMS = {"X-Forwarded-For": VICTIM, "X-Real-IP": VICTIM, "Forwarded": f"for={VICTIM};proto=http", "X-Forwarded-Proto": "http",
          "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Ingress-Path": "/evil"}
# Above `limits.body`, which an import need not keep to.
LARGE = 3 << 20


def test_a_memory_is_stored_and_found(proxy):
    added = proxy.call("POST", "/api/v1/memories", {"content": "the well is dry in August"})
    found = proxy.call("GET", "/api/v1/search?query=" + urllib.parse.quote("when is the well dry?"))

    assert added["id"] in [result["id"] for result in found["results"]]


def test_a_path_comes_letter_by_letter(proxy):
    # With a slash that is one, or was taken for one, there is no such route.
    for path, code in [("a%2Fb%20c", "token_not_found"), ("a/b", "no_route")]:
        status, _, text = proxy.ask("POST", f"/admin/tokens/{path}/revoke", headers={"X-API-Key": KEY})
        assert (status, json.loads(text)["code"]) == (404, code), path


def test_the_protocol_is_spoken(proxy):
    def ask(number, method, params):
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return proxy.call("POST", "/mcp", body, {"Accept": "application/json, text/event-stream"})["result"]

    hello = ask(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                  "clientInfo": {"name": "proxied", "version": "1"}})
    added = ask(2, "tools/call", {"name": "add_memory", "arguments": {"content": "the ladder is in the barn"}})

    assert hello["serverInfo"]["name"] == "memoryd"
    assert added["structuredContent"]["status"] == "created", added


def test_an_event_comes_at_once(proxy):
    """A buffer on the way would keep it, and then nothing could be read before the time is up."""
    with proxy.connection() as listening:
        listening.request("GET", proxy.way.base + "/api/v1/events", headers={"X-API-Key": KEY})
        answer = listening.getresponse()
        assert (answer.status, answer.readline()) == (200, b": listening\n")

        added = proxy.call("POST", "/api/v1/memories", {"content": "the gate squeaks"})

        lines = iter(answer.readline, b"")
        told = next(line for line in lines if added["id"].encode() in line)
        assert told.startswith(b"data: ")


def test_an_import_and_an_export_pass_however_long_they_are(proxy):
    line = json.dumps({"content": "a long line of hay", "metadata": {"x": "y" * 15000}})
    body = "".join(line.replace("a long", f"a {n} long") + "\n" for n in range(LARGE // len(line) + 1)).encode()
    assert len(body) > LARGE

    told = proxy.call("POST", "/api/v1/import", body, {"Content-Type": "application/x-ndjson"})
    status, _, exported = proxy.ask("GET", "/api/v1/export", headers={"X-API-Key": KEY})

    assert (told["failed"], status) == (0, 200), told
    assert exported.count(b"long line of hay") >= told["imported"] == body.count(b"\n")


def test_a_body_that_is_too_large_is_refused_in_the_words_of_memoryd(proxy):
    status, _, text = proxy.ask("POST", "/api/v1/memories", b" " * LARGE, {"X-API-Key": KEY})

    assert (status, json.loads(text)["code"]) == (413, "body_too_large")


def test_the_pages_take_a_sign_in_and_every_way_in_them_leads_back(proxy):
    base, html = proxy.way.base, {"Accept": "text/html"}
    origin = f"https://{proxy.way.name}:{proxy.port}"
    for path, to in [("/", "/ui/"), ("/ui", "/ui/"), ("/ui/tags", "/ui/login?next=/ui/tags")]:
        status, headers, _ = proxy.ask("GET", path, headers=html)
        assert (status, headers["Location"]) == (303, base + to), path
    if base:
        status, headers, _ = proxy.ask("GET", "", headers=html)
        assert status in (301, 302) and headers["Location"] in (f"{base}/", f"{origin}{base}/"), headers["Location"]

    # As an older browser does it, which says by `Origin` alone where a form came from.
    form = urllib.parse.urlencode({"credential": KEY, "next": "/ui/tags"}).encode()
    headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    status, headers, text = proxy.ask("POST", "/ui/login", form, headers)
    assert (status, headers["Location"]) == (303, f"{base}/ui/tags"), text[-600:]
    cookies = headers.get_all("Set-Cookie")
    assert len(cookies) == 1 and cookies[0].startswith("__Host-memoryd=") and "; Secure" in cookies[0], cookies

    signed = {"Cookie": cookies[0].split(";")[0]}
    left, seen = ["/ui/"], set()
    while left:
        path = left.pop()
        status, headers, text = proxy.ask("GET", path, headers=signed)
        assert status == 200, (path, status, text[-600:])
        if not headers["Content-Type"].startswith("text/html"):
            continue
        page = text.decode()
        for way in re.findall(r'(?:href|src|action)="(/[^"]*)"', page):
            assert way.startswith(f"{base}/ui/"), f"{way} in {path}"
        # Only what stands on every page, not each memory and each token.
        found = {way.removeprefix(base) for way in re.findall(r'<(?:a|link|script)[^>]* (?:href|src)="(/[^"?#]*)"', page)}
        found = {way for way in found if re.fullmatch(r"/ui/[a-z-]*|/ui/a/.*", way)} - seen
        seen |= found
        left += found
    assert len(seen) > 9, seen
    clients = proxy.ask("GET", "/ui/clients", headers=signed)[2].decode()
    assert f"{origin}{base}/mcp" in clients

    listening = {"Sec-Fetch-Site": "same-origin", "Accept": "text/event-stream"} | signed
    with proxy.connection() as connection:
        connection.request("GET", f"{base}/ui/events", headers=listening)
        answer = connection.getresponse()
        assert (answer.status, answer.readline()) == (200, b"retry: 5000\n")


def test_a_client_is_known_by_its_address_and_by_nothing_that_it_says(proxy):
    log = pathlib.Path(proxy.server.settings["LOG_FILE"])

    wrong = {"X-API-Key": "wrong-key-wrong-key-wrong-key-1", "X-Request-Id": "claims"}
    status, _, _ = proxy.ask("GET", "/api/v1/memories", headers=CLAIMS | wrong)
    status_of_page, headers, page = proxy.ask("GET", "/ui/login", headers=CLAIMS)

    assert (status, status_of_page) == (401, 200)
    line = poll(lambda: next((line for line in log.read_text().splitlines() if " id=claims " in line), None), what="its line")
    assert f" client={CLIENT} credential=invalid " in line
    failures = proxy.call("GET", "/admin/audit?failed=true")["events"]
    assert {failure["address"] for failure in failures} == {CLIENT}, failures
    assert b"evil" not in page and VICTIM not in log.read_text()
    assert headers["X-Frame-Options"] == "DENY"
    assert f'href="{proxy.way.base}/ui/'.encode() in page
    assert proxy.ask("GET", "/api/v1/stats", headers=CLAIMS | {"X-API-Key": KEY})[0] == 200, "it came over TLS all the same"


def test_a_client_without_a_key_is_told_where_to_sign_in(proxy):
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    status, headers, _ = proxy.ask("POST", "/mcp", body)

    url = proxy.server.settings.get("PUBLIC_URL")
    wanted = f'resource_metadata="{url}/.well-known/oauth-protected-resource/mcp"' if url else ""
    assert status == 401 and wanted in headers["WWW-Authenticate"], headers["WWW-Authenticate"]
    assert (proxy.ask("GET", "/.well-known/oauth-authorization-server")[0] == 200) == bool(url)


def test_memoryd_may_be_started_again_behind_it(proxy):
    with proxy.connection() as kept, proxy.connection() as listening:
        listening.request("GET", proxy.way.base + "/api/v1/events", headers={"X-API-Key": KEY})
        stream = listening.getresponse()
        assert stream.readline() == b": listening\n"

        def status():
            kept.request("GET", proxy.way.base + "/health")
            answer = kept.getresponse()
            answer.read()
            return answer.status

        before = status()
        proxy.server.stop()
        rest, without = stream.read(), status()
        proxy.server.start()

        assert (before, without, status()) == (200, 502, 200)
        assert b"event: change" not in rest


@pytest.mark.parametrize("program", FILES)
def test_the_page_shows_the_very_text(program):
    page = (ROOT / "docs/REVERSE-PROXY.md").read_text()
    shipped = sorted(path.relative_to(DEPLOY / program).as_posix() for path in (DEPLOY / program).iterdir())

    assert shipped == sorted(place + FILES[program] for place in ("host", "path"))
    for place in ("host", "path"):
        text = configuration(program, place)
        assert f"\n{text}```\n" in page, f"{program}/{place} is not in the page as it is"
        assert settings(text).keys() <= {"PUBLIC_URL", "TRUSTED_HOSTS"}
