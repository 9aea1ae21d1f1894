"""PyPI's Authlib, the client most applications on Python sign their people in with.

Its application class as its integrations for Flask and Django use it: discovery, state, nonce, PKCE,
and the signature and claims of ID tokens are checked by it, not here.
"""

import os
import unittest
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc8414, rfc9207
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oidc import discovery, rpinitiated
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from visitor import Visitor

ISSUER = os.environ["IDP_ISSUER"]
ALGORITHM = os.environ["IDP_ALGORITHM"]
REDIRECT_URI = os.environ["IDP_REDIRECT_URI"]
LOGOUT_URI = os.environ["IDP_LOGOUT_URI"]
CLIENT_ID = os.environ["IDP_CLIENT_ID"]
CLIENT_SECRET = os.environ["IDP_CLIENT_SECRET"]
PERSON = {"username": os.environ["IDP_USERNAME"], "password": os.environ["IDP_PASSWORD"]}
IS_PEER = os.environ.get("IDP_IS_PEER") == "1"
SCOPE = "openid accounts.read"


class App(OAuth2Mixin, OpenIDMixin, BaseApp):
    client_cls = OAuth2Session

    def metadata(self):
        return self.load_server_metadata()

    def _on_update_token(self, token, refresh_token=None, access_token=None):
        """No framework keeps tokens here; the session that fetched them does."""

    def session(self):
        return self._get_oauth_client(**self.metadata())


def app(client_id, secret=None):
    kwargs = {"scope": SCOPE, "code_challenge_method": "S256"}
    return App(
        framework=None,
        client_id=client_id,
        client_secret=secret,
        client_kwargs=kwargs,
        server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    )


SHOP = app(CLIENT_ID, CLIENT_SECRET)
OPEN = app(os.environ["IDP_PUBLIC_ID"])
KINDS = [("confidential", SHOP), ("public", OPEN)]


def sign_in(of, visitor=None, answer="allow", prompt="consent"):
    """Where the browser of somebody who signs in lands, and what the application keeps for that."""
    kept = of.create_authorization_url(REDIRECT_URI, prompt=prompt)
    landed = (visitor or Visitor()).pass_pages(kept["url"], answer=answer, **PERSON)
    assert landed.startswith(f"{REDIRECT_URI}?"), landed
    assert parse_qs(urlsplit(landed).query)["iss"] == [ISSUER], landed
    return landed, kept


def redeem(of, landed, kept, **changed):
    parts = {
        "redirect_uri": REDIRECT_URI,
        "authorization_response": landed,
        "state": kept["state"],
        "code_verifier": kept["code_verifier"],
    }
    return of.fetch_access_token(**{**parts, **changed})


def tokens_of(of, visitor=None):
    landed, kept = sign_in(of, visitor)
    tokens = redeem(of, landed, kept)
    return tokens, of.parse_id_token(tokens, nonce=kept["nonce"])


def is_active(token):
    with SHOP.session() as session:
        endpoint = SHOP.metadata()["introspection_endpoint"]
        return session.introspect_token(endpoint, token=token).json()["active"]


class Discovery(unittest.TestCase):
    def test_the_metadata_keeps_to_its_standards(self):
        for get_url, standard in [
            (discovery.get_well_known_url, OpenIDProvider),
            (rfc8414.get_well_known_url, rfc8414.AuthorizationServerMetadata),
        ]:
            with SHOP.session() as session:
                answer = session.get(get_url(ISSUER, external=True), withhold_token=True)
            answer.raise_for_status()
            metadata = standard(answer.json())
            metadata.validate([rfc9207.AuthorizationServerMetadata, rpinitiated.OpenIDProviderMetadata])
            self.assertEqual(metadata.issuer, ISSUER)


class OpenIDProvider(discovery.OpenIDProviderMetadata):
    def validate_id_token_signing_alg_values_supported(self):
        """OpenID Connect wants RS256 to be among them. A provider that is told to sign with nothing
        else must not claim that it does, so this rule alone is held against one that signs with it."""
        if ALGORITHM == "RS256":
            super().validate_id_token_signing_alg_values_supported()
        assert self["id_token_signing_alg_values_supported"] == [ALGORITHM]


class Code(unittest.TestCase):
    def test_a_code_becomes_tokens_and_a_verified_id_token(self):
        for kind, of in KINDS:
            with self.subTest(kind):
                tokens, claims = tokens_of(of)
                self.assertEqual(tokens["token_type"].lower(), "bearer")
                self.assertEqual(claims["iss"], ISSUER)

    def test_another_state_is_refused(self):
        landed, kept = sign_in(SHOP)
        with self.assertRaises(MismatchingStateException):
            redeem(SHOP, landed, kept, state="another")

    def test_another_verifier_redeems_nothing(self):
        landed, kept = sign_in(SHOP)
        with self.assertRaisesRegex(OAuthError, "invalid_grant"):
            redeem(SHOP, landed, kept, code_verifier="v" * 48)

    def test_another_nonce_is_refused(self):
        landed, kept = sign_in(SHOP)
        tokens = redeem(SHOP, landed, kept)
        with self.assertRaises(JoseError):
            SHOP.parse_id_token(tokens, nonce="another")

    @unittest.skipIf(IS_PEER, "its pages have no such button")
    def test_a_person_who_says_no_is_heard(self):
        landed, _ = sign_in(SHOP, answer="deny")
        self.assertEqual(parse_qs(urlsplit(landed).query)["error"], ["access_denied"])


class Refresh(unittest.TestCase):
    def test_a_session_goes_on_with_fresh_tokens(self):
        for kind, of in KINDS:
            with self.subTest(kind), of.session() as session:
                tokens, _ = tokens_of(of)
                session.token = tokens
                fresh = session.refresh_token(of.metadata()["token_endpoint"])
                self.assertNotEqual(fresh["access_token"], tokens["access_token"])
                session.get(of.metadata()["userinfo_endpoint"]).raise_for_status()


class ClientCredentials(unittest.TestCase):
    def fetch(self, of=SHOP, **more):
        with of.session() as session:
            endpoint = of.metadata()["token_endpoint"]
            return session.fetch_token(endpoint, grant_type="client_credentials", **more)

    def test_a_client_gets_a_token_for_itself(self):
        for method in ["client_secret_basic", "client_secret_post"]:
            with self.subTest(method), SHOP.session() as session:
                tokens = self.fetch(auth=session.client_auth(method), scope="accounts.read")
                self.assertTrue(is_active(tokens["access_token"]))
                self.assertFalse(tokens.is_expired())

    def test_a_wrong_secret_gets_nothing(self):
        with self.assertRaisesRegex(OAuthError, "invalid_client"):
            self.fetch(app(CLIENT_ID, "wrong"))


class Introspection(unittest.TestCase):
    def ask(self, token, accept):
        with SHOP.session() as session:
            endpoint = SHOP.metadata()["introspection_endpoint"]
            answer = session.introspect_token(endpoint, token=token, headers={"Accept": accept})
        answer.raise_for_status()
        return answer

    def test_json_describes_a_token(self):
        tokens, claims = tokens_of(SHOP)
        told = self.ask(tokens["access_token"], "application/json").json()
        self.assertTrue(told["active"])
        self.assertEqual((told["sub"], told["client_id"]), (claims["sub"], CLIENT_ID))
        self.assertEqual(set(told["scope"].split()), set(SCOPE.split()))

    def test_a_signed_answer_is_for_whoever_asked(self):
        kind = "token-introspection+jwt"
        tokens, claims = tokens_of(SHOP)
        answer = self.ask(tokens["access_token"], f"application/{kind}")
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], f"application/{kind}")
        keys = KeySet.import_key_set(SHOP.fetch_jwk_set())
        signed = jwt.decode(answer.text, key=keys, algorithms=[ALGORITHM])
        self.assertEqual(signed.header["typ"], kind)
        wanted = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": CLIENT_ID},
            iat={"essential": True},
        )
        wanted.validate(signed.claims)
        self.assertEqual(signed.claims["token_introspection"]["sub"], claims["sub"])
        self.assertNotIn("sub", signed.claims)
        self.assertNotIn("exp", signed.claims)

    def test_what_is_unknown_is_inactive_and_no_more_is_said(self):
        self.assertEqual(self.ask("unknown", "application/json").json(), {"active": False})


class Revocation(unittest.TestCase):
    def test_what_is_taken_back_is_over(self):
        for kind, of in KINDS:
            with self.subTest(kind), of.session() as session:
                tokens, _ = tokens_of(of)
                endpoint = of.metadata()["revocation_endpoint"]
                answer = session.revoke_token(
                    endpoint, token=tokens["refresh_token"], token_type_hint="refresh_token"
                )
                self.assertEqual(answer.status_code, 200)
                session.token = tokens
                self.assertEqual(session.get(of.metadata()["userinfo_endpoint"]).status_code, 401)
                with self.assertRaisesRegex(OAuthError, "invalid_grant"):
                    session.refresh_token(of.metadata()["token_endpoint"])


class UserInfo(unittest.TestCase):
    def test_the_subject_is_that_of_the_id_token(self):
        for kind, of in KINDS:
            with self.subTest(kind):
                tokens, claims = tokens_of(of)
                self.assertEqual(of.userinfo(token=tokens)["sub"], claims["sub"])


class SignOut(unittest.TestCase):
    def test_the_browser_comes_back_signed_out(self):
        visitor = Visitor()
        tokens, _ = tokens_of(SHOP, visitor)
        asked = SHOP.create_logout_url(LOGOUT_URI, id_token_hint=tokens["id_token"])
        landed = visitor.pass_pages(asked["url"])
        self.assertTrue(landed.startswith(f"{LOGOUT_URI}?"), landed)
        self.assertEqual(parse_qs(urlsplit(landed).query)["state"], [asked["state"]])
        again, _ = sign_in(SHOP, visitor, prompt="none")
        self.assertEqual(parse_qs(urlsplit(again).query)["error"], ["login_required"])
        self.assertFalse(is_active(tokens["access_token"]))


if __name__ == "__main__":
    unittest.main()
