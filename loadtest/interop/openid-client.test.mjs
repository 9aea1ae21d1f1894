// npm `openid-client`, the client most applications on node sign their people in with. All of its
// strict checks are on: state, nonce, PKCE, issuer (RFC 9207), age of the sign-in, and the signatures
// of ID tokens and signed answers. Only plain HTTP is allowed to it, since all of this is on loopback.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import * as client from 'openid-client';

import { Visitor, passPages } from './pages.mjs';
import {
  algorithm, confidential, issuer, logoutUri, noDeny, person, publicId, redirectUri, scope,
} from './settings.mjs';

const algorithms = {
  id_token_signed_response_alg: algorithm,
  introspection_signed_response_alg: algorithm,
};
const strict = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };

// A confidential client that asks for plain JSON, the same one asking for signed answers, and one
// that has no secret.
let config, signed, open;

before(async () => {
  const { introspection_signed_response_alg: _, ...plain } = algorithms;
  config = await discover(confidential.id, { ...plain, client_secret: confidential.secret });
  signed = await discover(confidential.id, { ...algorithms, client_secret: confidential.secret });
  open = await discover(publicId, plain, client.None());
});

function discover(id, metadata, authentication, options = {}) {
  return client.discovery(new URL(issuer), id, metadata, authentication, { ...strict, ...options });
}

// Signs somebody in for a client: the URL that their browser brings back, and what it is checked with.
async function signIn(of, { visitor = new Visitor(), answer = 'allow', ...more } = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    maxAge: 300,
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(of, {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    max_age: String(checks.maxAge),
    prompt: 'consent',
    ...more,
  });
  const landed = await passPages(visitor, url, { ...person, answer });
  return { landed, checks, visitor };
}

async function tokensOf(of, visitor) {
  const { landed, checks } = await signIn(of, { visitor });
  return client.authorizationCodeGrant(of, landed, checks);
}

async function isActive(token) {
  const { active } = await client.tokenIntrospection(config, token);
  return active;
}

const isNotConform = (error) => error.code === 'OAUTH_INVALID_RESPONSE';
const isInvalidGrant = (error) => error.error === 'invalid_grant' && error.status === 400;

describe('discovery', () => {
  test('both well-known documents say the same', async () => {
    const oauth = await discover(confidential.id, confidential.secret, undefined, { algorithm: 'oauth2' });
    const names = Object.keys(oauth.serverMetadata()).filter((name) => name.endsWith('_endpoint'));
    for (const name of ['issuer', 'jwks_uri', ...names]) {
      assert.equal(oauth.serverMetadata()[name], config.serverMetadata()[name], name);
    }
    assert.ok(config.serverMetadata().supportsPKCE());
  });

  test('another issuer than the one that is asked for is refused', async () => {
    const other = new URL(issuer);
    other.hostname = 'localhost';
    await assert.rejects(client.discovery(other, 'any', undefined, undefined, strict));
  });
});

describe('authorization code with PKCE', () => {
  for (const [kind, of] of [['confidential', () => config], ['public', () => open]]) {
    test(`a ${kind} client signs somebody in`, async () => {
      const tokens = await tokensOf(of());
      assert.equal(tokens.token_type, 'bearer');
      assert.ok(tokens.expiresIn() > 0);
      const claims = tokens.claims();
      assert.equal(claims.iss, issuer);
      assert.ok(claims.sub);
      assert.ok(claims.exp > claims.iat);
    });
  }

  test('a person who says no is heard', { skip: noDeny }, async () => {
    const { landed, checks } = await signIn(config, { answer: 'deny' });
    assert.equal(landed.searchParams.get('iss'), issuer);
    const redeemed = client.authorizationCodeGrant(config, landed, checks);
    await assert.rejects(redeemed, { error: 'access_denied' });
  });

  test('an answer in the name of another issuer is refused', async () => {
    const { landed, checks } = await signIn(config);
    landed.searchParams.set('iss', 'https://other.example');
    await assert.rejects(client.authorizationCodeGrant(config, landed, checks), isNotConform);
  });

  test('a wrong verifier redeems nothing', async () => {
    const { landed, checks } = await signIn(config);
    checks.pkceCodeVerifier = client.randomPKCECodeVerifier();
    await assert.rejects(client.authorizationCodeGrant(config, landed, checks), isInvalidGrant);
  });

  test('a code that is replayed takes back what it gave', async () => {
    const { landed, checks } = await signIn(config);
    const tokens = await client.authorizationCodeGrant(config, landed, checks);
    assert.equal(await isActive(tokens.access_token), true);
    await assert.rejects(client.authorizationCodeGrant(config, landed, checks), isInvalidGrant);
    assert.equal(await isActive(tokens.access_token), false);
  });

  test('who is signed in is not asked again, and nobody is asked with prompt=none', async () => {
    const { visitor } = await signIn(config);
    const { landed, checks } = await signIn(config, { visitor, prompt: 'none' });
    await client.authorizationCodeGrant(config, landed, checks);
    const stranger = await signIn(config, { prompt: 'none' });
    const redeemed = client.authorizationCodeGrant(config, stranger.landed, stranger.checks);
    await assert.rejects(redeemed, { error: 'login_required' });
  });
});

describe('refresh', () => {
  for (const [kind, of] of [['confidential', () => config], ['public', () => open]]) {
    test(`a ${kind} client goes on without its person`, async () => {
      const first = await tokensOf(of());
      const second = await client.refreshTokenGrant(of(), first.refresh_token);
      assert.notEqual(second.access_token, first.access_token);
      assert.equal(second.claims()?.sub ?? first.claims().sub, first.claims().sub);
    });
  }

  test('a token that is used again after its successor ends them all', async () => {
    const first = await tokensOf(open);
    const second = await client.refreshTokenGrant(open, first.refresh_token);
    const third = await client.refreshTokenGrant(open, second.refresh_token);
    await assert.rejects(client.refreshTokenGrant(open, first.refresh_token), isInvalidGrant);
    await assert.rejects(client.refreshTokenGrant(open, third.refresh_token), isInvalidGrant);
  });
});

describe('client credentials', () => {
  test('a client gets a token for itself', async () => {
    const tokens = await client.clientCredentialsGrant(config, { scope: 'accounts.read' });
    assert.equal(tokens.token_type, 'bearer');
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(tokens.id_token, undefined);
    assert.ok(tokens.expiresIn() > 0);
  });

  test('the secret may come in the body as well', async () => {
    const post = await discover(confidential.id, undefined, client.ClientSecretPost(confidential.secret));
    await client.clientCredentialsGrant(post, { scope: 'accounts.read' });
  });

  test('a wrong secret is refused as the standard has it', async () => {
    const wrong = await discover(confidential.id, undefined, client.ClientSecretBasic('wrong'));
    const asked = client.clientCredentialsGrant(wrong);
    await assert.rejects(asked, (error) => error.status === 401 && isChallenge(error));
  });

  const isChallenge = (error) =>
    error.error === 'invalid_client' || error.cause?.some?.((it) => it.scheme === 'basic');
});

describe('introspection', () => {
  test('a good token is described', async () => {
    const tokens = await client.clientCredentialsGrant(config, { scope: 'accounts.read' });
    const answer = await client.tokenIntrospection(config, tokens.access_token);
    assert.equal(answer.active, true);
    assert.equal(answer.client_id, confidential.id);
    assert.equal(answer.scope, 'accounts.read');
    assert.ok(answer.exp > answer.iat);
  });

  test('the answer comes signed to a client that asks for that', async () => {
    const tokens = await client.clientCredentialsGrant(signed, { scope: 'accounts.read' });
    const answer = await client.tokenIntrospection(signed, tokens.access_token);
    assert.equal(answer.active, true);
    assert.equal(answer.client_id, confidential.id);
    const unknown = await client.tokenIntrospection(signed, 'unknown');
    assert.deepEqual(unknown, { active: false });
  });

  test('what is not known is inactive and no more is said', async () => {
    assert.deepEqual(await client.tokenIntrospection(config, 'unknown'), { active: false });
  });
});

describe('revocation', () => {
  test('an access token ends at once', async () => {
    const { access_token: token } = await client.clientCredentialsGrant(config);
    await client.tokenRevocation(config, token);
    assert.equal(await isActive(token), false);
  });

  test('with a refresh token ends all that came of it', async () => {
    const tokens = await tokensOf(config);
    await client.tokenRevocation(config, tokens.refresh_token, { token_type_hint: 'refresh_token' });
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), isInvalidGrant);
    assert.equal(await isActive(tokens.access_token), false);
  });

  test('a token that nobody knows is no error', async () => {
    await client.tokenRevocation(config, 'unknown');
  });
});

describe('userinfo', () => {
  test('the subject is that of the ID token', async () => {
    const tokens = await tokensOf(open);
    const { sub } = tokens.claims();
    const told = await client.fetchUserInfo(open, tokens.access_token, sub);
    assert.equal(told.sub, sub);
  });

  test('a token that is not good is refused with a challenge', async () => {
    const asked = client.fetchUserInfo(config, 'unknown', client.skipSubjectCheck);
    await assert.rejects(asked, (error) => error.status === 401 && error.cause[0].scheme === 'bearer');
  });
});

describe('sign-out', () => {
  test('the browser comes back, and neither it nor the tokens are signed in any more', async () => {
    const visitor = new Visitor();
    const tokens = await tokensOf(config, visitor);
    const state = client.randomState();
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: logoutUri,
      state,
    });
    const landed = await passPages(visitor, url, {});
    assert.equal(landed.origin + landed.pathname, logoutUri);
    assert.equal(landed.searchParams.get('state'), state);
    const again = await signIn(config, { visitor, prompt: 'none' });
    assert.equal(again.landed.searchParams.get('error'), 'login_required');
    assert.equal(await isActive(tokens.access_token), false);
  });
});
