// npm `oauth4webapi`, which checks each answer by itself: media types, status codes, challenges, types of
// every member. What arrives with a signature has its signature verified here.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import * as oauth from 'oauth4webapi';

import { Visitor, passPages } from './pages.mjs';
import {
  algorithm, confidential, issuer, logoutUri, noDeny, person, publicId, redirectUri, scope,
} from './settings.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };
const shop = { client_id: confidential.id, id_token_signed_response_alg: algorithm };
const app = { client_id: publicId, id_token_signed_response_alg: algorithm };
const secret = oauth.ClientSecretBasic(confidential.secret);
const open = oauth.None();
const kinds = [['confidential', shop, secret], ['public', app, open]];

let server;

before(async () => {
  server = await discover('oidc');
});

async function discover(algorithm) {
  const response = await oauth.discoveryRequest(new URL(issuer), { algorithm, ...insecure });
  return oauth.processDiscoveryResponse(new URL(issuer), response);
}

// Signs somebody in for a client: what their browser brings back, checked, and what it was asked with.
async function signIn(client, { visitor = new Visitor(), answer = 'allow', ...more } = {}) {
  const asked = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
  };
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(asked.verifier),
    code_challenge_method: 'S256',
    state: asked.state,
    nonce: asked.nonce,
    max_age: '300',
    prompt: 'consent',
    ...more,
  });
  const landed = await passPages(visitor, url, { ...person, answer });
  assert.ok(landed.href.startsWith(`${redirectUri}?`), `${landed} is not where it was to go`);
  return { callback: oauth.validateAuthResponse(server, client, landed, asked.state), asked };
}

async function redeem(client, authentication, { callback, asked }) {
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, authentication, callback, redirectUri, asked.verifier, insecure,
  );
  const checks = { expectedNonce: asked.nonce, maxAge: 300, requireIdToken: true };
  return { response, tokens: await oauth.processAuthorizationCodeResponse(server, client, response, checks) };
}

async function tokensOf(client, authentication, visitor) {
  const { tokens } = await redeem(client, authentication, await signIn(client, { visitor }));
  return tokens;
}

async function refresh(client, authentication, token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, authentication, token, insecure);
  return oauth.processRefreshTokenResponse(server, client, response);
}

async function machineToken(client = shop, authentication = secret) {
  const parameters = new URLSearchParams({ scope: 'accounts.read' });
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, insecure);
  return oauth.processClientCredentialsResponse(server, client, response);
}

async function introspect(token, options) {
  const response = await oauth.introspectionRequest(server, shop, secret, token, { ...insecure, ...options });
  const client = { ...shop, introspection_signed_response_alg: algorithm };
  return { response, answer: await oauth.processIntrospectionResponse(server, client, response) };
}

async function revoke(client, authentication, token) {
  const response = await oauth.revocationRequest(server, client, authentication, token, insecure);
  assert.equal(await oauth.processRevocationResponse(response), undefined);
}

async function userinfo(client, token, subject) {
  const response = await oauth.userInfoRequest(server, client, token, insecure);
  return oauth.processUserInfoResponse(server, client, subject, response);
}

describe('discovery', () => {
  test('both well-known documents are about this issuer', async () => {
    const other = await discover('oauth2');
    assert.equal(other.issuer, issuer);
    assert.equal(other.token_endpoint, server.token_endpoint);
  });

  test('all that is offered here is announced', () => {
    assert.ok(server.code_challenge_methods_supported.includes('S256'));
    assert.equal(server.authorization_response_iss_parameter_supported, true);
    const list = ['introspection_signing_alg_values_supported', 'id_token_signing_alg_values_supported'];
    for (const name of list) assert.ok(server[name].includes(algorithm), name);
    for (const grant of ['authorization_code', 'refresh_token', 'client_credentials']) {
      assert.ok(server.grant_types_supported.includes(grant), grant);
    }
    for (const name of ['revocation', 'introspection', 'userinfo', 'end_session']) {
      assert.ok(server[`${name}_endpoint`], name);
    }
  });
});

describe('authorization code with PKCE', () => {
  for (const [kind, client, authentication] of kinds) {
    test(`a ${kind} client gets an ID token whose signature holds`, async () => {
      const { response, tokens } = await redeem(client, authentication, await signIn(client));
      await oauth.validateApplicationLevelSignature(server, response, insecure);
      const claims = oauth.getValidatedIdTokenClaims(tokens);
      assert.ok(claims.sub);
      assert.ok(claims.auth_time <= claims.iat);
    });
  }

  test('a person who says no is heard', { skip: noDeny }, async () => {
    await assert.rejects(signIn(shop, { answer: 'deny' }), { error: 'access_denied' });
  });

  test('a public client cannot redeem what a confidential one was given', async () => {
    const signedIn = await signIn(shop);
    await assert.rejects(redeem(app, open, signedIn), { error: 'invalid_grant' });
  });
});

describe('refresh', () => {
  for (const [kind, client, authentication] of kinds) {
    test(`a ${kind} client is given a successor`, async () => {
      const first = await tokensOf(client, authentication);
      const second = await refresh(client, authentication, first.refresh_token);
      assert.notEqual(second.access_token, first.access_token);
      assert.ok(second.expires_in > 0);
    });
  }

  test('another client cannot use it', async () => {
    const { refresh_token: token } = await tokensOf(app, open);
    await assert.rejects(refresh(shop, secret, token), { error: 'invalid_grant' });
  });
});

describe('client credentials', () => {
  test('a client gets a token for itself, with the scope that it asks for', async () => {
    const tokens = await machineToken();
    assert.equal(tokens.token_type, 'bearer');
    assert.equal(tokens.scope, 'accounts.read');
  });

  test('a wrong secret is challenged', async () => {
    const wrong = oauth.ClientSecretBasic('wrong');
    await assert.rejects(machineToken(shop, wrong), ({ status }) => status === 401);
  });

  test('a public client has nothing to prove itself with', async () => {
    await assert.rejects(machineToken(app, open), ({ status }) => status === 400);
  });
});

describe('introspection', () => {
  test('a token is described in JSON', async () => {
    const { access_token: token } = await machineToken();
    const { answer } = await introspect(token);
    assert.equal(answer.active, true);
    assert.equal(answer.client_id, confidential.id);
    assert.equal(answer.token_type.toLowerCase(), 'bearer');
  });

  test('a token of a person names its subject', async () => {
    const tokens = await tokensOf(shop, secret);
    const { answer } = await introspect(tokens.access_token);
    assert.equal(answer.sub, oauth.getValidatedIdTokenClaims(tokens).sub);
    assert.equal(answer.scope.split(' ').sort().join(' '), 'accounts.read openid');
  });

  for (const [kind, find] of [['good', machineToken], ['unknown', () => ({ access_token: 'unknown' })]]) {
    test(`the signature under an answer about a token that is ${kind} holds`, async () => {
      const { access_token: token } = await find();
      const { response, answer } = await introspect(token, { requestJwtResponse: true });
      assert.equal(oauth.getContentType(response), 'application/token-introspection+jwt');
      await oauth.validateApplicationLevelSignature(server, response, insecure);
      assert.equal(answer.active, kind === 'good');
    });
  }
});

describe('revocation', () => {
  for (const [kind, client, authentication] of kinds) {
    test(`a ${kind} client takes back what it was given`, async () => {
      const tokens = await tokensOf(client, authentication);
      await revoke(client, authentication, tokens.refresh_token);
      const again = refresh(client, authentication, tokens.refresh_token);
      await assert.rejects(again, { error: 'invalid_grant' });
      await assert.rejects(userinfo(client, tokens.access_token, oauth.skipSubjectCheck), isChallenge);
    });
  }
});

const isChallenge = ({ status, cause }) => status === 401 && cause[0].parameters.error === 'invalid_token';

describe('userinfo', () => {
  test('the subject is that of the ID token', async () => {
    const tokens = await tokensOf(app, open);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    assert.equal((await userinfo(app, tokens.access_token, sub)).sub, sub);
  });

  test('a token that is not good is challenged', async () => {
    await assert.rejects(userinfo(app, 'unknown', oauth.skipSubjectCheck), isChallenge);
  });
});

describe('sign-out', () => {
  test('a client of the same sign-in loses its tokens too', async () => {
    const visitor = new Visitor();
    const [first, second] = [await tokensOf(shop, secret, visitor), await tokensOf(app, open, visitor)];
    const url = new URL(server.end_session_endpoint);
    url.search = new URLSearchParams({
      id_token_hint: first.id_token,
      client_id: confidential.id,
      post_logout_redirect_uri: logoutUri,
      state: 'signed out',
    });
    const landed = await passPages(visitor, url, {});
    assert.equal(landed.origin + landed.pathname, logoutUri);
    assert.equal(landed.searchParams.get('state'), 'signed out');
    assert.equal((await introspect(first.access_token)).answer.active, false);
    await assert.rejects(userinfo(app, second.access_token, oauth.skipSubjectCheck), isChallenge);
    await assert.rejects(refresh(app, open, second.refresh_token), { error: 'invalid_grant' });
    await assert.rejects(signIn(app, { visitor, prompt: 'none' }), { error: 'login_required' });
  });
});
