//! The gateway, as it comes.

use std::net::SocketAddr;
use std::path::Path;

use crate::bench::BenchError;
use crate::bench::peer::{Plan, Site, TOLLGATE_TOKEN, tollgate};

use super::credentials::Credentials;
use super::guard::Guard;

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    program: &Path,
    ([address, admin], credentials): ([SocketAddr; 2], &Credentials),
) -> Result<Plan, BenchError> {
    let name = guard.name();
    let wants = match guard {
        Guard::TollgateReference => ", require: { scopes: [pay.read] }, staleness: strict",
        Guard::TollgateOpen
        | Guard::NginxLua
        | Guard::HaproxyMap
        | Guard::EnvoyLua
        | Guard::EnvoyJwt => "",
    };
    let config = TOLLGATE_TOKEN.fill(&[
        ("LISTEN", &address.to_string()),
        ("ADMIN", &admin.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("ACCESS_LOG", &tollgate::log_file(site, name)),
        ("IDP", credentials.section().trim_end()),
        ("REQUIRE", wants),
    ])?;
    tollgate::tollgate(name, site, (program, [address, admin]), &config)
}
