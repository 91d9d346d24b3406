"""A person at a browser, as a program: opens the page that a client sends it to, signs in, and allows what is asked.

`python consenting.py URL KEY` does the same for clients that start a browser, and brings the answer back to them.
"""

import html
import http.client
import re
import sys
import urllib.parse
import urllib.request


class Person:
    def __init__(self, key):
        self.key, self.cookies, self.seen = key, {}, []

    def ask(self, url, fields=None):
        """One request, without following where it leads. Returns status, Location and text."""
        parts = urllib.parse.urlsplit(url)
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin" if fields else "cross-site"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields:
            body = urllib.parse.urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        try:
            path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            connection.request("POST" if fields else "GET", path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        self.seen.append(text)
        where = answer.headers.get("Location")
        return answer.status, where and urllib.parse.urljoin(url, where), text

    def allow(self, url):
        """Goes from where a client sent the browser to where the server sends it back. Returns that address."""
        status, where, text = self.ask(url)
        assert status == 303, (status, text[-800:])
        assert "/authorize/pending/" in where, where
        question = where
        status, where, text = self.ask(question)
        if status == 303:
            assert "/ui/login" in where, where
            following = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)["next"][0]
            status, where, text = self.ask(urllib.parse.urljoin(url, "/ui/login"),
                                           [("credential", self.key), ("next", following)])
            assert (status, where) == (303, question), (status, where, text[-800:])
            status, where, text = self.ask(question)
        assert status == 200, (status, text[-800:])
        form = re.search(r'<form method="post" action="(/authorize/[^"]*)".*?</form>', text, re.DOTALL)
        csrf = re.search(r'name="csrf" value="([^"]*)"', form[0])
        scopes = re.findall(r'name="scope" value="([^"]*)"', form[0])
        fields = [("csrf", html.unescape(csrf[1])), *(("scope", scope) for scope in scopes), ("answer", "allow")]
        status, where, text = self.ask(urllib.parse.urljoin(url, form[1]), fields)
        assert status == 303, (status, text[-800:])
        return where


if __name__ == "__main__":
    with urllib.request.urlopen(Person(sys.argv[2]).allow(sys.argv[1]), timeout=20) as told:
        told.read()
