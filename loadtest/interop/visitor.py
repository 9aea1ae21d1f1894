"""A visitor of the sign-in pages, as in pages.mjs: cookies, redirects, forms, and no scripts."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

REDIRECTS_MAX = 10
PAGES_MAX = 6


class Form(HTMLParser):
    """The first form of a page; its buttons may stand outside of it."""

    def __init__(self, text):
        super().__init__()
        self.form, self.inputs, self.buttons = None, [], []
        self._is_open = False
        self.feed(text)
        assert self.form is not None, f"a page without a form:\n{text}"
        assert self.form.get("method", "").lower() == "post", "a form that puts it into a URL"

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form" and self.form is None:
            self.form, self._is_open = found, True
        elif tag == "input" and self._is_open:
            self.inputs.append(found)
        elif tag == "button":
            is_of_form = self.form and found.get("form") == self.form.get("id", "")
            if self._is_open or is_of_form:
                self.buttons.append(found)

    def handle_endtag(self, tag):
        if tag == "form":
            self._is_open = False


class Visitor:
    def __init__(self):
        self._session = requests.Session()

    def pass_pages(self, url, username="", password="", answer="allow"):
        """Goes through whatever pages come, and says where a redirect left the provider."""
        page = self._visit(url)
        for _ in range(PAGES_MAX):
            if isinstance(page, str):
                return page
            assert page.status_code == 200, f"{page.url} answers {page.status_code}:\n{page.text}"
            form = Form(page.text)
            typed = {"text": username, "password": password}
            fields = {
                it["name"]: typed.get(it.get("type", "text"), it.get("value") or "")
                for it in form.inputs
                if "name" in it
            }
            is_sign_in = any(it.get("type") == "password" for it in form.inputs)
            meant = [None, "yes", answer]
            button = next(it for it in form.buttons if is_sign_in or it.get("value") in meant)
            if "name" in button:
                fields[button["name"]] = button.get("value", "")
            page = self._visit(urljoin(page.url, form.form.get("action", "")), fields)
        raise AssertionError(f"still on a page of the provider:\n{page.text}")

    def _visit(self, url, fields=None):
        origin = urlsplit(url)[:2]
        headers = {"Accept": "text/html"}
        if fields is not None:
            headers["Origin"] = "://".join(origin)
        method = "GET" if fields is None else "POST"
        for _ in range(REDIRECTS_MAX):
            page = self._session.request(
                method, url, data=fields, headers=headers, allow_redirects=False, timeout=30
            )
            if not page.is_redirect:
                return page
            url = urljoin(url, page.headers["Location"])
            if urlsplit(url)[:2] != origin:
                return url
            method, fields = "GET", None
            headers.pop("Origin", None)
        raise AssertionError(f"more than {REDIRECTS_MAX} redirects")
