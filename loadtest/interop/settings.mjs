// What whoever started the provider tells the clients about it.

import assert from 'node:assert/strict';

function read(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: start this with ./dev test interop`);
  return value;
}

export const issuer = read('IDP_ISSUER');
export const algorithm = read('IDP_ALGORITHM');
export const redirectUri = read('IDP_REDIRECT_URI');
export const logoutUri = read('IDP_LOGOUT_URI');
export const confidential = { id: read('IDP_CLIENT_ID'), secret: read('IDP_CLIENT_SECRET') };
export const publicId = read('IDP_PUBLIC_ID');
export const person = { username: read('IDP_USERNAME'), password: read('IDP_PASSWORD') };
export const scope = 'openid accounts.read';
// The pages of the peer have no button that says no.
export const noDeny = process.env.IDP_IS_PEER === '1' && 'its pages have no such button';
