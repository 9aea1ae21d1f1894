"""Tokens of another issuer, made by PyPI's joserfc, and what the gateway makes of them.

Keys, their set and the tokens are that library's own; here is only what the gateway answers, and what the
service behind it was told.
"""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

PROGRAM = os.environ["TOLLGATE"]
ISSUER = "https://joserfc.example"
READY_WITHIN = 20

KEYS = {
    "ES256": ECKey.generate_key("P-256", {"kid": "es", "use": "sig", "alg": "ES256"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
    "RS256": RSAKey.generate_key(2048, {"kid": "rs", "use": "sig", "alg": "RS256"}),
    # Of no use to the gateway, which must not mind.
    "ES384": ECKey.generate_key("P-384", {"kid": "es384", "use": "sig"}),
    "ES512": ECKey.generate_key("P-521", {"kid": "es512", "use": "sig"}),
    "weak": RSAKey.generate_key(1024, {"kid": "weak", "use": "sig", "alg": "RS256"}),
}


def serve(answer):
    """Serves JSON on a thread; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps(answer(self)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def get(port, path, token=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def claims(**changes):
    now = int(time.time())
    said = {"iss": ISSUER, "aud": "pay", "sub": "ann", "azp": "app", "scope": "money.read",
            "iat": now, "exp": now + 300}
    said.update(changes)
    return {name: value for name, value in said.items() if value is not None}


def sign(algorithm, said, key=None, **header):
    key = key or KEYS[algorithm]
    header = {"typ": "at+jwt", "alg": algorithm, "kid": key.kid, **header}
    return jwt.encode(header, said, key, algorithms=[algorithm])


class TokensOfAnotherIssuer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        published = KeySet(list(KEYS.values())).as_dict(private=False)
        issuer = serve(lambda _: published)
        service = serve(lambda request: {name.lower(): value for name, value in request.headers.items()})
        cls.port, cls.admin = free_port(), free_port()
        cls.folder = tempfile.TemporaryDirectory()
        file = os.path.join(cls.folder.name, "tollgate.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(f"""
listen: [{{ address: "127.0.0.1:{cls.port}" }}]
admin: {{ address: "127.0.0.1:{cls.admin}" }}
log: {{ access: "off" }}
issuers:
  elsewhere:
    issuer: {ISSUER}
    jwks: http://{issuer}/jwks
    audience: [pay]
    algorithms: [ES256, EdDSA, RS256]
services: {{ echo: {{ endpoints: ["{service}"] }} }}
routes:
  - {{ match: "GET /{{rest*}}", to: echo, issuer: elsewhere, require: {{ scopes: [money.read] }} }}
""")
        cls.gateway = subprocess.Popen([PROGRAM, "gateway", "--config", file])
        deadline = time.monotonic() + READY_WITHIN
        while not cls.is_ready():
            if cls.gateway.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the gateway is not ready")
            time.sleep(0.05)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.terminate()
        cls.gateway.wait(10)
        cls.folder.cleanup()

    @classmethod
    def is_ready(cls):
        try:
            return get(cls.admin, "/readyz")[0] == 200
        except OSError:
            return False

    def test_a_token_is_taken_with_each_algorithm(self):
        # Ed25519 has a second name (RFC 9864).
        for algorithm, key in [("ES256", None), ("EdDSA", None), ("RS256", None), ("Ed25519", KEYS["EdDSA"])]:
            with self.subTest(algorithm):
                status, body = get(self.port, "/", sign(algorithm, claims(), key))
                self.assertEqual(status, 200, body)
                told = json.loads(body)
                self.assertNotIn("authorization", told)
                self.assertEqual(told["tollgate-subject"], "ann")
                self.assertEqual(told["tollgate-client"], "app")
                self.assertEqual(told["tollgate-issuer"], ISSUER)

    def test_what_the_gateway_does_not_take_is_401(self):
        stranger = ECKey.generate_key("P-256", {"kid": "es"})
        refused = {
            "another algorithm": sign("ES384", claims()),
            "a weak key": sign("RS256", claims(), KEYS["weak"]),
            "another key of that name": sign("ES256", claims(), stranger),
            "another audience": sign("ES256", claims(aud="bank")),
            "another issuer": sign("ES256", claims(iss="https://other.example")),
            "an ID token": sign("ES256", claims(), typ="JWT"),
            "an expired one": sign("ES256", claims(exp=int(time.time()) - 60)),
            "one without an end": sign("ES256", claims(exp=None)),
            "an old one": sign("ES256", claims(iat=int(time.time()) - 120)),
        }
        for what, token in refused.items():
            with self.subTest(what):
                status, body = get(self.port, "/", token)
                self.assertEqual((status, json.loads(body)["code"]), (401, "token_invalid"))

    def test_who_may_not_is_told_so(self):
        status, body = get(self.port, "/", sign("EdDSA", claims(scope="other")))
        self.assertEqual((status, json.loads(body)["code"]), (403, "scope_insufficient"))
        self.assertEqual(get(self.port, "/")[0], 401)


if __name__ == "__main__":
    unittest.main()
