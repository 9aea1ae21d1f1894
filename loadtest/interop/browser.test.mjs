// A real browser takes code + PKCE through the pages: at a desk with the keyboard alone, and on a phone
// that runs no scripts. What it shows is left as pictures in the folder that IDP_PICTURES names.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import * as client from 'openid-client';

import { confidential, issuer, logoutUri, person, redirectUri, scope } from './settings.mjs';
import { Driver, Keys } from './webdriver.mjs';

const PICTURES = process.env.IDP_PICTURES;
const TABS_MAX = 20;
const NO_LONGER_THAN_MS = 60_000;

let config, driver, landing;

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  config = await client.discovery(new URL(issuer), confidential.id, confidential.secret, undefined, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });
  landing = await listen();
  driver = await Driver.start();
});

after(async () => {
  await driver?.stop();
  landing?.close();
});

// Where the application of the redirect URI would be.
async function listen() {
  const { port } = new URL(redirectUri);
  const page = '<!doctype html><html lang=en><title>application</title><link rel=icon href=data:,>';
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(page);
  });
  await new Promise((ready) => server.listen(Number(port), '127.0.0.1', ready));
  return server;
}

// With the keyboard alone: Tab until it has the focus.
const keyboard = {
  async reach(browser, selector) {
    await browser.find(selector);
    for (let turn = 0; turn < TABS_MAX; turn += 1) {
      const [focused, wanted] = [await browser.focused(), await browser.findAll(selector)];
      if (wanted.includes(focused)) return;
      await browser.press(Keys.tab);
    }
    throw new Error(`${selector} is not reached in ${TABS_MAX} tabs`);
  },
  async fill(browser, selector, text) {
    await this.reach(browser, selector);
    await browser.press(text);
  },
  async activate(browser, selector) {
    await this.reach(browser, selector);
    await browser.press(Keys.enter);
  },
};

const touch = {
  async fill(browser, selector, text) {
    await browser.type(await browser.find(selector), text);
  },
  async activate(browser, selector) {
    await browser.click(await browser.find(selector));
  },
};

const USERNAME = 'input[name=username]';
const PASSWORD = 'input[name=password]';
const SUBMIT = 'form button[type=submit], form button:not([type])';
const ALLOW = 'button[name=answer][value=allow]';
const ALERT = '[role=alert]';

const ways = [
  { name: 'at a desk, with the keyboard alone', of: 'desk', width: 1280, height: 800, hasScripts: true, hand: keyboard },
  { name: 'on a phone that runs no scripts', of: 'phone', width: 390, height: 844, hasScripts: false, hand: touch },
];

for (const way of ways) {
  test(`somebody signs in, consents and signs out ${way.name}`, { timeout: NO_LONGER_THAN_MS }, async () => {
    const browser = await driver.open(way);
    try {
      await goThrough(browser, way);
    } catch (error) {
      await picture(browser, way, 'failed').catch(() => {});
      throw error;
    } finally {
      await browser.close();
    }
  });
}

async function goThrough(browser, way) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  await browser.go(client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    // Each is asked, whoever was asked before.
    prompt: 'consent',
  }));
  await browser.find(PASSWORD);
  await look(browser, way, 'sign-in');
  await signIn(browser, way, 'not the password');
  const alert = await browser.find(ALERT);
  assert.notEqual((await browser.text(alert)).trim(), '', 'an alert without a word');
  await look(browser, way, 'refused');

  await signIn(browser, way, person.password);
  await browser.find(ALLOW);
  await look(browser, way, 'consent');
  await way.hand.activate(browser, ALLOW);

  const landed = await landingAt(browser, redirectUri);
  assert.equal(landed.searchParams.get('iss'), issuer);
  const tokens = await client.authorizationCodeGrant(config, landed, checks);
  await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);

  await signOut(browser, way, tokens);
  await checkNetwork(browser);
  await checkConsole(browser);
}

async function signIn(browser, way, password) {
  const username = await browser.find(USERNAME);
  if (await browser.property(username, 'value') !== person.username) {
    await way.hand.fill(browser, USERNAME, person.username);
  }
  await way.hand.fill(browser, PASSWORD, password);
  const page = await browser.find('html');
  if (way.hand === keyboard) {
    await browser.press(Keys.enter);
  } else {
    await way.hand.activate(browser, SUBMIT);
  }
  await browser.until('another page', async () => !(await browser.findAll('html')).includes(page));
}

// Without a hint, since a link from elsewhere must not sign anybody out: the person is asked.
async function signOut(browser, way, tokens) {
  const url = new URL(config.serverMetadata().end_session_endpoint);
  await browser.go(url);
  await browser.find(SUBMIT);
  await look(browser, way, 'sign-out');
  await way.hand.activate(browser, SUBMIT);
  await browser.until('a page without a form', async () => (await browser.findAll('form')).length === 0);
  await look(browser, way, 'signed-out');
  const { active } = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(active, false, 'the tokens outlived the sign-out');
}

async function landingAt(browser, uri) {
  return browser.until(`a redirect to ${uri}`, async () => {
    const url = await browser.url();
    return url.origin + url.pathname === uri && url;
  });
}

// A page as everybody must find it: named, in a language, no wider than the window, each field labelled.
async function look(browser, way, name) {
  await picture(browser, way, name);
  const page = await browser.find('html');
  assert.notEqual(await browser.attribute(page, 'lang'), null, `${name} is in no language`);
  const width = await browser.property(page, 'scrollWidth');
  assert.ok(width <= way.width, `${name} is ${width} wide, the window ${way.width}`);
  assert.equal((await browser.findAll('h1')).length, 1, `${name} has not one heading`);
  assert.deepEqual(await browser.findAll('script'), [], `${name} has a script`);
  for (const control of await browser.findAll('input:not([type=hidden]), button')) {
    assert.notEqual(await browser.label(control), '', `${name} has a control without a label`);
  }
}

async function picture(browser, way, name) {
  writeFileSync(join(PICTURES, `${way.of}-${name}.png`), await browser.screenshot());
}

// Every page came with a policy that forbids scripts, and nothing came from elsewhere.
async function checkNetwork(browser) {
  const events = (await browser.log('performance')).map((line) => JSON.parse(line.message).message);
  const answers = events.filter((it) => it.method === 'Network.responseReceived').map((it) => it.params);
  const origins = [issuer, redirectUri].map((it) => new URL(it).origin);
  // The browser shows pages of its own before it goes anywhere.
  for (const { response, type } of answers.filter((it) => it.response.url.startsWith('http'))) {
    const { origin } = new URL(response.url);
    assert.ok(origins.includes(origin), `${response.url} was loaded`);
    if (type !== 'Document' || origin !== new URL(issuer).origin) continue;
    const headers = new Map(Object.entries(response.headers).map(([k, v]) => [k.toLowerCase(), v]));
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/, response.url);
    assert.match(policy, /frame-ancestors 'none'/, response.url);
    assert.doesNotMatch(policy, /unsafe|script-src (?!'none')/, response.url);
    assert.match(headers.get('cache-control') ?? '', /no-store/, response.url);
  }
  assert.ok(answers.length >= 4, 'fewer pages than there were');
}

async function checkConsole(browser) {
  const errors = (await browser.log('browser')).filter((it) => it.level !== 'INFO' && it.level !== 'DEBUG');
  assert.deepEqual(errors, []);
}
