"""Somebody at the site by HTTP, with a session of their own; forms are sent as they were shown."""

import http.client
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.bench.ground import Spread, expect


@dataclass
class Loads:
    """Seconds and answers of several loads of one page."""

    spread: Spread
    bad: list[int]


@dataclass
class Visitor:
    """Cookies and an address; one connection for each request, as a crowd of people has them."""

    site: str
    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def signed_in(cls, site: str, address: str, email: str, password: str) -> "Visitor":
        """By the sign-in page, from a loopback address."""
        visitor = cls(site, address)
        form = visitor.form("/accounts/login/") | {"login": email, "password": password}
        status, _ = visitor.send("POST", "/accounts/login/", form)
        expect(status == 302, f"signing in answered {status}")
        return visitor

    def send(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of the answer; 0 where there was none."""
        where = urlsplit(self.site)
        connection = http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=60, source_address=(self.address, 0)
        )
        body = urlencode(form) if form is not None else None
        try:
            connection.request(method, path, body, self.headers(form is not None))
            reply = connection.getresponse()
            text = reply.read().decode(errors="replace")
            for name, value in reply.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            return reply.status, text
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def headers(self, form: bool = False) -> dict[str, str]:
        """What the browser would send along."""
        found = {"Cookie": "; ".join(f"{key}={value}" for key, value in self.cookies.items())}
        if form:
            found |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": self.site + "/"}
        return found

    def form(self, path: str, action: str = "") -> dict[str, str]:
        """What the form of a page would send if nothing were typed."""
        status, text = self.send("GET", path)
        expect(status == 200, f"{path} answered {status}")
        return fields(text)

    def look(self, path: str, times: int = 50, pause: float = 0.0) -> Loads:
        """Load a page so often, one load after the other."""
        seconds, bad = [], []
        for _ in range(times):
            start = time.perf_counter()
            status, _ = self.send("GET", path)
            seconds.append(time.perf_counter() - start)
            if status != 200:
                bad.append(status)
            time.sleep(pause)
        return Loads(Spread.of(seconds), bad)


class _Fields(HTMLParser):
    """Inputs of the page's forms with a value that the page itself gave."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name"), given.get("type", "text")
        if tag != "input" or not name or (kind in ("radio", "checkbox") and "checked" not in given):
            return
        self.found[name] = given.get("value") or ""


def fields(page: str) -> dict[str, str]:
    """Names and values of a page's inputs."""
    parser = _Fields()
    parser.feed(page)
    return parser.found


def as_json(loads: Loads) -> dict[str, Any]:
    """In milliseconds."""
    return loads.spread.as_json() | {"bad": loads.bad}
