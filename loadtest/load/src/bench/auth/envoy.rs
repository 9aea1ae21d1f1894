//! Envoy: a table in Lua, or its own check of signed tokens with its cache of those it has verified.

use std::net::SocketAddr;
use std::path::Path;

use crate::bench::peer::{ENVOY_SIGNED, ENVOY_TOKEN, Plan, Site, envoy};
use crate::bench::{BenchError, write};

use super::credentials::Credentials;
use super::guard::Guard;
use super::nginx::pair_lines;

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    program: &Path,
    (addresses, credentials): ([SocketAddr; 2], &Credentials),
) -> Result<Plan, BenchError> {
    let launched = (program, addresses);
    match guard {
        Guard::EnvoyJwt => {
            let keys = [("JWKS", credentials.jwks.as_str())];
            envoy::envoy(guard.name(), site, launched, (ENVOY_SIGNED, &keys))
        }
        Guard::EnvoyLua
        | Guard::TollgateOpen
        | Guard::TollgateCarried
        | Guard::TollgateReference
        | Guard::TollgateValue
        | Guard::NginxLua
        | Guard::HaproxyMap => {
            let pairs = site.dir.join("envoy-tokens.txt");
            write(&pairs, &pair_lines(credentials))?;
            let pairs = pairs.display().to_string();
            let tokens = [("TOKENS", pairs.as_str())];
            envoy::envoy(guard.name(), site, launched, (ENVOY_TOKEN, &tokens))
        }
    }
}
