// Starts an identity provider for clients to be tried against: Tollgate's, or npm `oidc-provider`, which
// tells whether a red test is the provider's fault or the test's.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;
const STOPPED_WITHIN_MS = 10_000;

const CLIENT = 'shop';
const PUBLIC = 'app';
const USERNAME = 'alice';
const SCOPES = ['openid', 'accounts.read'];

// Starts `make(site)` and gives the variables that describe it, and how to stop it.
export async function start(make, uris) {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-interop-'));
  const [port, internal] = await freePorts(2);
  const site = { dir, port, internal, issuer: `http://127.0.0.1:${port}`, ...uris };
  const plan = make(site);
  const child = spawn(plan.program, plan.arguments, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => { said = (said + text).slice(-8000); });
  }
  let failed;
  child.on('error', (error) => { failed = error; });
  const stop = () => end(child, dir);
  try {
    await untilReady(child, site.issuer, () => failed);
  } catch (error) {
    await stop();
    throw new Error(`${error.message}; it said:\n${said}`);
  }
  return { environment: environment(site, plan), stop, said: () => said };
}

async function untilReady(child, issuer, failed) {
  const deadline = Date.now() + READY_WITHIN_MS;
  const url = `${issuer}/.well-known/openid-configuration`;
  while (!(await fetch(url).then((it) => it.ok, () => false))) {
    if (failed()) throw failed();
    if (child.exitCode !== null) throw new Error(`the provider ended with ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error('the provider is not ready in time');
    await sleep(LOOK_EVERY_MS);
  }
}

async function end(child, dir) {
  if (child.exitCode === null && child.pid !== undefined) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const killed = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
    await ended;
    clearTimeout(killed);
  }
  rmSync(dir, { recursive: true, force: true });
}

function environment(site, { secrets, isPeer }) {
  const { secret, password } = secrets();
  return {
    IDP_ISSUER: site.issuer,
    IDP_REDIRECT_URI: site.redirectUri,
    IDP_LOGOUT_URI: site.logoutUri,
    IDP_CLIENT_ID: CLIENT,
    IDP_CLIENT_SECRET: secret,
    IDP_PUBLIC_ID: PUBLIC,
    IDP_USERNAME: USERNAME,
    IDP_PASSWORD: password,
    IDP_ALGORITHM: site.algorithm,
    IDP_IS_PEER: isPeer ? '1' : '',
  };
}

// `tollgate idp` on an empty store. It makes the secrets itself, as it would for anybody.
export function tollgate(program) {
  return (site) => {
    const file = join(site.dir, 'tollgate.yaml');
    const [secretFile, passwordFile] = ['shop.secret', 'alice.password'].map((it) => join(site.dir, it));
    const uris = `redirect_uris: ["${site.redirectUri}"]\n      logout_uris: ["${site.logoutUri}"]`;
    writeFileSync(file, `provider:
  issuer: ${site.issuer}
  listen: 127.0.0.1:${site.port}
  internal: 127.0.0.1:${site.internal}
  store: { path: ${site.dir}/idp.redb, key_file: ${site.dir}/idp.key }
  signing: { algorithm: ${site.algorithm} }
  clients:
    ${CLIENT}:
      secret_file: ${secretFile}
      grants: [authorization_code, refresh_token, client_credentials]
      scopes: [${SCOPES.join(', ')}]
      ${uris}
    ${PUBLIC}:
      public: true
      grants: [authorization_code, refresh_token]
      scopes: [${SCOPES.join(', ')}]
      ${uris}
  users:
    ${USERNAME}: { password_file: ${passwordFile} }
`);
    const read = (path) => readFileSync(path, 'utf8').trim();
    return {
      program: resolve(program),
      arguments: ['idp', '--config', file],
      secrets: () => ({ secret: read(secretFile), password: read(passwordFile) }),
    };
  };
}

// npm `oidc-provider`, whose development pages take any name and any password.
export function peer(folder) {
  return (site) => {
    const file = join(site.dir, 'peer.json');
    const secret = randomBytes(32).toString('base64url');
    const shared = {
      redirect_uris: [site.redirectUri],
      post_logout_redirect_uris: [site.logoutUri],
      scope: SCOPES.join(' '),
    };
    const clients = [
      {
        ...shared,
        client_id: CLIENT,
        client_secret: secret,
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      },
      {
        ...shared,
        client_id: PUBLIC,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ];
    writeFileSync(file, JSON.stringify({ issuer: site.issuer, port: site.port, clients }));
    const script = resolve(folder, 'server.mjs');
    return {
      program: process.execPath,
      arguments: [script, file],
      secrets: () => ({ secret, password: 'any' }),
      isPeer: true,
    };
  };
}

// All are held until all are known, or two might be the same.
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
