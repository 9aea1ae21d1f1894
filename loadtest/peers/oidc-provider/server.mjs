// npm `oidc-provider` as a peer: with its own in-memory adapter and the endpoints that ours has.
// `node server.mjs FILE`, where FILE is JSON: { issuer, port, clients }.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

import Provider from 'oidc-provider';

const { issuer, port, clients } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: 'peer' }] },
  cookies: { keys: ['one process, one run'] },
  scopes: ['openid', 'accounts.read'],
  // A refresh token to whoever may use one, as long as their person is signed in.
  issueRefreshToken: (context, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'], introspectionSigningAlgValues: ['ES256'] },
  clientDefaults: { id_token_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
});

provider.listen(port, '127.0.0.1', () => console.log('listening'));
