// Tries clients that nobody here wrote against the identity provider, and says which of them it keeps out.
//
// `node run.mjs clients --python PROGRAM` takes it through every algorithm that it can be told to sign with,
// and the gateway through those that another issuer may sign with;
// `node run.mjs browser --pictures FOLDER` has a browser take a person through its pages. Both are told which
// by `--tollgate PROGRAM`; `clients` takes `--peer FOLDER` in its place, which tries the tests themselves.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { freePorts, peer, start, tollgate } from './provider.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const node = [process.execPath, '--test', '--test-reporter=spec'];
const { positionals: [suite], values: given } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: 'string' },
    pictures: { type: 'string' },
    python: { type: 'string' },
    tollgate: { type: 'string' },
  },
});

// Runs each of the programs against a provider of its own that signs with the algorithm.
async function run(programs, algorithm, uris) {
  const provider = await start(given.peer ? peer(given.peer) : tollgate(given.tollgate), { algorithm, ...uris });
  const failed = [];
  for (const [name, program, ...rest] of programs) {
    console.log(`==> ${name}, signatures by ${algorithm}`);
    const env = { ...process.env, ...provider.environment };
    const child = spawn(program, rest, { cwd: here, stdio: 'inherit', env });
    const [code] = await once(child, 'exit');
    if (code !== 0) failed.push(`${name} (${algorithm})`);
  }
  await provider.stop();
  if (failed.length > 0) console.error(`the provider said:\n${provider.said()}`);
  return failed;
}

async function clients() {
  const programs = [
    ['openid-client', ...node, 'openid-client.test.mjs'],
    ['oauth4webapi', ...node, 'oauth4webapi.test.mjs'],
    ['Authlib', resolve(given.python), '-B', '-m', 'unittest', '-v', 'test_authlib'],
  ];
  // Nothing listens there: a client takes over as soon as a browser is sent to one of them.
  const uris = { redirectUri: 'https://client.example/callback', logoutUri: 'https://client.example/bye' };
  const failed = [];
  for (const algorithm of given.peer ? ['ES256'] : ['ES256', 'EdDSA', 'RS256']) {
    failed.push(...await run(programs, algorithm, uris));
  }
  if (!given.peer) failed.push(...await otherIssuers());
  return failed;
}

// Tokens that were made elsewhere against the gateway, which the test starts itself.
async function otherIssuers() {
  console.log('==> joserfc, as another issuer');
  const env = { ...process.env, TOLLGATE: resolve(given.tollgate) };
  const program = [resolve(given.python), ['-B', '-m', 'unittest', '-v', 'test_joserfc']];
  const child = spawn(...program, { cwd: here, stdio: 'inherit', env });
  const [code] = await once(child, 'exit');
  return code === 0 ? [] : ['joserfc'];
}

async function browser() {
  process.env.IDP_PICTURES = resolve(given.pictures);
  const [port] = await freePorts(1);
  const [redirectUri, logoutUri] = ['callback', 'bye'].map((it) => `http://127.0.0.1:${port}/${it}`);
  return run([['Chromium', ...node, 'browser.test.mjs']], 'ES256', { redirectUri, logoutUri });
}

const failed = await { browser, clients }[suite]();
console.log(failed.length > 0 ? `FAILED: ${failed.join(', ')}` : `${suite}: all passed`);
process.exitCode = failed.length > 0 ? 1 : 0;
