// A visitor of the sign-in pages, as plain as a browser can be: it keeps cookies, follows redirects
// and sends forms back with everything hidden in them. It runs no script, so a page that needed one
// would fail here. It stops where a redirect leaves the provider, which is where a client takes over.
//
// It is written on node:http because `fetch` decides on some headers itself and hides redirects.

import assert from 'node:assert/strict';
import http from 'node:http';

const REDIRECTS_MAX = 10;
const PAGES_MAX = 6;

export class Visitor {
  #cookies = [];

  // The page at the end of the redirects, or the URL of another origin that they lead to.
  async visit(url, form) {
    const { origin } = new URL(url);
    let at = new URL(url);
    for (let turn = 0; turn < REDIRECTS_MAX; turn += 1) {
      const { status, headers, text } = await this.#send(at, form);
      if (status < 300 || status > 399) {
        return { page: { url: at, status, headers, text } };
      }
      at = new URL(headers.location, at);
      form = undefined;
      if (at.origin !== origin) {
        return { landed: at };
      }
    }
    throw new Error(`more than ${REDIRECTS_MAX} redirects from ${url}`);
  }

  // Fills in the only form of a page that has the button, and presses that.
  async submit(page, fields, pressed = () => true) {
    const { action, inputs, buttons } = parseForm(page);
    const button = buttons.find(pressed);
    assert.ok(button, `a page without the button that is looked for:\n${page.text}`);
    const form = new URLSearchParams();
    for (const input of inputs) {
      const value = fields[input.type] ?? input.value ?? '';
      if (input.name) form.append(input.name, value);
    }
    if (button.name) form.append(button.name, button.value ?? '');
    return this.visit(action, form);
  }

  #send(url, form) {
    const body = form?.toString();
    const headers = { accept: 'text/html', cookie: this.#cookiesFor(url) };
    if (body !== undefined) {
      headers.origin = url.origin;
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
    }
    return new Promise((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST';
      const request = http.request(url, { method, headers }, async (response) => {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        this.#keep(url, response.headers['set-cookie'] ?? []);
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  #cookiesFor(url) {
    const sent = this.#cookies.filter((cookie) => url.pathname.startsWith(cookie.path));
    return sent.map((cookie) => `${cookie.name}=${cookie.value}`).join('; ');
  }

  #keep(url, lines) {
    for (const line of lines) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const [name, value] = split(pair, '=');
      const found = new Map(attributes.map((it) => split(it, '=')).map(([k, v]) => [k.toLowerCase(), v]));
      const path = found.get('path') ?? url.pathname.replace(/[^/]*$/, '');
      this.#cookies = this.#cookies.filter((it) => it.name !== name || it.path !== path);
      const ends = found.has('max-age')
        ? Number(found.get('max-age')) <= 0
        : found.has('expires') && Date.parse(found.get('expires')) <= Date.now();
      if (!ends) this.#cookies.push({ name, value, path });
    }
  }
}

// Goes through whatever pages come until a redirect leaves the provider, and says where it led.
export async function passPages(visitor, url, { username, password, answer = 'allow' }) {
  let { landed, page } = await visitor.visit(url);
  for (let turn = 0; turn < PAGES_MAX && !landed; turn += 1) {
    assert.equal(page.status, 200, `${page.url.pathname} answers ${page.status}:\n${page.text}`);
    const isSignIn = parseForm(page).inputs.some((input) => input.type === 'password');
    const fields = isSignIn ? { text: username, password } : {};
    const isMeant = (button) => isSignIn || !button.value || ['yes', answer].includes(button.value);
    ({ landed, page } = await visitor.submit(page, fields, isMeant));
  }
  assert.ok(landed, `still on a page of the provider:\n${page?.text}`);
  return landed;
}

// The first form of a page; its buttons may stand outside of it.
export function parseForm({ url, text }) {
  const [form, body] = text.match(/<form\b[^>]*>([\s\S]*?)<\/form>/i) ?? [];
  assert.ok(form, `a page without a form:\n${text}`);
  const { action, id, method } = attributes(form);
  assert.equal(method?.toLowerCase(), 'post', 'a form that would put what is typed into a URL');
  const outside = tags(text, 'button').filter((button) => id && button.form === id);
  return {
    action: new URL(action ?? '', url),
    inputs: tags(body, 'input').map((input) => ({ ...input, type: input.type ?? 'text' })),
    buttons: [...tags(body, 'button'), ...outside],
  };
}

function tags(html, name) {
  const found = html.match(new RegExp(`<${name}\\b[^>]*>`, 'gi')) ?? [];
  return found.map(attributes);
}

function attributes(tag) {
  const end = tag.indexOf('>') + 1 || tag.length;
  const found = tag.slice(0, end).matchAll(/([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi);
  return Object.fromEntries([...found].map(([, name, a, b, c]) => [name.toLowerCase(), unescape(a ?? b ?? c)]));
}

function unescape(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return named[name] ?? whole;
    return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
  });
}

function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
