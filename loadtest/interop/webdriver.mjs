// Chromium as a person would use it, driven by the W3C WebDriver protocol, which is JSON over HTTP.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const STARTED_WITHIN_MS = 20_000;
const WAIT_MS = 15_000;
const LOOK_EVERY_MS = 25;
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export const Keys = { tab: '\uE004', enter: '\uE007' };

// Nothing but what the test asks for may go over the network.
const QUIET = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export class Driver {
  #child;
  #port;
  #folder = mkdtempSync(join(tmpdir(), 'tollgate-chromium-'));

  static async start() {
    const driver = new Driver();
    driver.#child = spawn('chromedriver', ['--port=0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: driver.#folder },
    });
    driver.#port = await portOf(driver.#child);
    return driver;
  }

  // A browser that has never been anywhere, with a window of that size.
  async open({ width, height, hasScripts }) {
    const profile = mkdtempSync(join(this.#folder, 'profile-'));
    const options = {
      args: [...QUIET, `--window-size=${width},${height}`, `--user-data-dir=${profile}`],
      prefs: hasScripts ? {} : { 'profile.managed_default_content_settings.javascript': 2 },
    };
    const alwaysMatch = {
      browserName: 'chrome',
      'goog:chromeOptions': options,
      'goog:loggingPrefs': { browser: 'ALL', performance: 'ALL' },
    };
    const base = `http://127.0.0.1:${this.#port}/session`;
    const { sessionId } = await call('POST', base, { capabilities: { alwaysMatch } });
    const browser = new Browser(`${base}/${sessionId}`);
    // The window is the screen of a phone as well, which is narrower than any window may be.
    await browser.command('Emulation.setDeviceMetricsOverride', {
      width, height, deviceScaleFactor: 1, mobile: width < 500,
    });
    return browser;
  }

  async stop() {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
    // A browser may still write as it goes, so this comes last.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

async function portOf(child) {
  const found = new Promise((resolve, reject) => {
    let said = '';
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`chromedriver ended with ${code}: ${said}`)));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      const [, port] = said.match(/started successfully on port (\d+)/) ?? [];
      if (port) resolve(Number(port));
    });
  });
  const late = sleep(STARTED_WITHIN_MS, undefined, { ref: false }).then(() => {
    throw new Error('chromedriver is not ready in time');
  });
  return Promise.race([found, late]);
}

export class Browser {
  #session;

  constructor(session) {
    this.#session = session;
  }

  go(url) {
    return this.#call('POST', 'url', { url: String(url) });
  }

  async url() {
    return new URL(await this.#call('GET', 'url'));
  }

  async findAll(selector) {
    const found = await this.#call('POST', 'elements', { using: 'css selector', value: selector });
    return found.map((it) => it[ELEMENT]);
  }

  // Waits for it: what is pressed may take a browser to another page.
  async find(selector) {
    const [found] = await this.until(`an element ${selector}`, async () => {
      const all = await this.findAll(selector);
      return all.length > 0 && all;
    });
    return found;
  }

  async until(what, look) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`there is not ${what} at ${await this.url()}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  text(element) {
    return this.#call('GET', `element/${element}/text`);
  }

  attribute(element, name) {
    return this.#call('GET', `element/${element}/attribute/${name}`);
  }

  property(element, name) {
    return this.#call('GET', `element/${element}/property/${name}`);
  }

  // What a screen reader would call it.
  label(element) {
    return this.#call('GET', `element/${element}/computedlabel`);
  }

  click(element) {
    return this.#call('POST', `element/${element}/click`, {});
  }

  type(element, text) {
    return this.#call('POST', `element/${element}/value`, { text });
  }

  // Whatever has the focus gets the keys.
  async press(keys) {
    const actions = [...keys].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.#call('POST', 'actions', { actions: [{ type: 'key', id: 'keyboard', actions }] });
  }

  async focused() {
    const found = await this.#call('GET', 'element/active');
    return found[ELEMENT];
  }

  async screenshot() {
    return Buffer.from(await this.#call('GET', 'screenshot'), 'base64');
  }

  // What it has logged since it was asked last: 'browser' is the console, 'performance' the network.
  log(type) {
    return this.#call('POST', 'se/log', { type });
  }

  command(cmd, params) {
    return this.#call('POST', 'goog/cdp/execute', { cmd, params });
  }

  close() {
    return this.#call('DELETE', '');
  }

  #call(method, path, body) {
    return call(method, path ? `${this.#session}/${path}` : this.#session, body);
  }
}

async function call(method, url, body) {
  const response = await fetch(url, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
