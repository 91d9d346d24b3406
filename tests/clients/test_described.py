"""What the programs of others send to sign in, put together from what was published of it, sent to a real server.

No file of `described/` is a recording: each is composed from documentation, reports of faults and what a program did here,
as `seen` says, and what nobody wrote down is filled in as the specifications have it. One file a program: how it looks
around (`probes`), what it registers (or the address by which it is known), what it asks the browser for (`asks`, in some of
which it does something odd), and how it shows who it is at the token endpoint (`shows`: in the body, by Basic, or both).
`{mcp}` and `{origin}` are the server.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import secrets
import urllib.parse

import pytest
from callers import HERE
from conftest import KEY
from consenting import Person
from memory_flow import CORE
from plain import Plain

DESCRIBED = sorted((HERE / "described").glob("*.json"))


class Program:
    """A program as it was described, before a server."""

    def __init__(self, server, told):
        self.server, self.told, self.origin = server, told, server.settings["PUBLIC_URL"]
        self.id, self.secret = told.get("client_id"), None

    def send(self, method, path, body=None, headers=None, agent=0):
        agents = self.told["agents"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, body, {"User-Agent": agents[agent % len(agents)], **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def filled(self, fields):
        return {name: value.replace("{mcp}", f"{self.origin}/mcp").replace("{origin}", self.origin)
                for name, value in fields.items()}

    def look_around(self):
        """Finds the way from the first refusal, and is never led astray by what is not there."""
        call = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "described", "version": "1"}}})
        for probe in self.told["probes"]:
            headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            body = call if probe["method"] == "POST" else None
            status, answered, text = self.send(probe["method"], probe["path"], body, headers | probe.get("headers", {}))
            assert status == probe["status"], (probe, text)
            if status == 401:
                place = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
                assert f'resource_metadata="{place}"' in answered["WWW-Authenticate"], probe
            elif status == 404:
                assert "error" in json.loads(text), "what is not there is said in JSON"
            elif probe["path"].endswith("resource/mcp"):
                assert json.loads(text)["resource"] == f"{self.origin}/mcp", "as it was typed"

    def register(self):
        """Sends what it sends, and holds the answer to what some program stumbles over."""
        asked = self.told["register"]
        status, answered, text = self.send("POST", "/register", json.dumps(asked), {"Content-Type": "application/json"})
        assert status == 201, text
        told = json.loads(text)
        assert answered["Cache-Control"] == "no-store"
        assert told["redirect_uris"] == asked["redirect_uris"], "all of them are taken"
        for name in ("client_name", "token_endpoint_auth_method"):
            assert told[name] == asked[name], name
        assert told["grant_types"] == ["authorization_code", "refresh_token"] and told["response_types"] == ["code"]
        assert {"read", "write"} <= set(told["scope"].split()), "who is given no scope never asks for one"
        assert isinstance(told["client_id_issued_at"], int) and told["registration_client_uri"].startswith(self.origin)
        assert ("client_secret" in told) == (asked["token_endpoint_auth_method"] != "none")
        if "client_secret" in told:
            assert told["client_secret_expires_at"] == 0 and b'"client_secret_expires_at":0' in text.replace(b" ", b"")
        self.id, self.secret = told["client_id"], told.get("client_secret")

    def ask_its_user(self, fields, verifier):
        """The code that the browser brings back, after what else comes with it was looked at."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {"response_type": "code", "client_id": self.id, "code_challenge_method": "S256",
                 "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="), **fields}
        person = Person(KEY)
        back = person.allow(f"{self.origin}/authorize?{urllib.parse.urlencode(query)}")
        redirect, _, answer = back.partition("?")
        assert redirect == fields["redirect_uri"], back
        assert urllib.parse.parse_qs(answer, strict_parsing=True) | {"code": []} == {
            "state": [fields["state"]], "iss": [self.origin], "code": []}
        host = urllib.parse.urlsplit(redirect).netloc
        assert host in person.seen[-2], "who gets the answer was shown"
        return urllib.parse.parse_qs(answer)["code"][0]

    def token(self, fields, agent=0):
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        fields, shows = dict(fields), self.told["shows"]
        if shows in ("body", "both"):
            fields |= {"client_id": self.id} | ({"client_secret": self.secret} if self.secret else {})
        if shows in ("basic", "both"):
            shown = ":".join(urllib.parse.quote(part or "", safe="") for part in (self.id, self.secret))
            headers["Authorization"] = "Basic " + base64.b64encode(shown.encode()).decode()
        return self.send("POST", "/token", urllib.parse.urlencode(fields), headers, agent)

    def tokens(self, fields, agent=0):
        status, answered, text = self.token(fields, agent)
        assert status == 200, text
        told = json.loads(text)
        assert answered["Cache-Control"] == "no-store" and answered.get_content_type() == "application/json"
        assert told["token_type"] == "Bearer" and told["expires_in"] == 3600
        assert isinstance(told["expires_in"], int) and told["scope"].split() == ["read", "write"]
        return told


@pytest.mark.parametrize("path", DESCRIBED, ids=lambda path: path.stem)
def test_a_program_signs_in_as_it_was_described(outside, path):
    program = Program(outside, json.loads(path.read_text()))
    program.look_around()
    if "register" in program.told:
        program.register()

    for fields in map(program.filled, program.told["asks"]):
        verifier = secrets.token_urlsafe(48)
        code = program.ask_its_user(fields, verifier)
        change = {"grant_type": "authorization_code", "code": code, "redirect_uri": fields["redirect_uri"],
                  "code_verifier": verifier, **program.filled(program.told["token"])}
        first = program.tokens(change)
        assert sorted(Plain(outside, first["access_token"]).tools()) == sorted(CORE)

        renew = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"],
                 **program.filled(program.told["refresh"])}
        # Some have several processes that find out at the same moment.
        count = program.told.get("refreshes_at_once", 1)
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            renewed = list(pool.map(lambda n, renew=renew: program.tokens(renew, agent=n), range(count)))
        for told in [first, *renewed]:
            assert Plain(outside, told["access_token"]).tools()

    granted = outside.grants()
    assert {grant["state"] for grant in granted} == {"active"} and len(granted) == len(program.told["asks"])


def test_a_program_whose_registration_is_forgotten_is_told_to_begin_anew(outside):
    for path in DESCRIBED:
        program = Program(outside, json.loads(path.read_text()))
        program.id, program.secret = "mc_gone_long_ago_0000000000", "mcs_gone"

        status, answered, text = program.token({"grant_type": "refresh_token", "refresh_token": "mrt_gone"})

        assert (status, json.loads(text)["error"]) == (401, "invalid_client"), "this word makes it register once more"
        assert ("Basic" in answered.get("WWW-Authenticate", "")) == (program.told["shows"] != "body"), path.stem
