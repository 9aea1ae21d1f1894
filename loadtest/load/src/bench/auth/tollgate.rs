//! The gateway, as it comes.

use std::net::SocketAddr;
use std::path::Path;

use crate::bench::BenchError;
use crate::bench::peer::{Plan, Site, TOLLGATE_TOKEN, tollgate};

use super::credentials::Credentials;
use super::guard::Guard;

const STRICT: &str = ", require: { scopes: [pay.read] }, staleness: strict";

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    program: &Path,
    (addresses, credentials): ([SocketAddr; 2], &Credentials),
) -> Result<Plan, BenchError> {
    let wants = match guard {
        Guard::TollgateCarried => {
            let value = credentials.value_of(0).unwrap_or_default();
            format!(", request_headers: {{ set: {{ Authorization: \"Bearer {value}\" }} }}")
        }
        Guard::TollgateReference => STRICT.to_owned(),
        Guard::TollgateValue => format!("{STRICT}, accept: value"),
        Guard::TollgateOpen
        | Guard::NginxLua
        | Guard::HaproxyMap
        | Guard::EnvoyLua
        | Guard::EnvoyJwt => String::new(),
    };
    let section = credentials.section();
    launch((guard.name(), &wants), site, program, (addresses, &section))
}

/// The one that is to remember much.
pub(super) fn plan_hot(
    site: &Site,
    program: &Path,
    at: ([SocketAddr; 2], &str),
) -> Result<Plan, BenchError> {
    launch(("tollgate-hot", STRICT), site, program, at)
}

fn launch(
    (name, wants): (&'static str, &str),
    site: &Site,
    program: &Path,
    ([address, admin], section): ([SocketAddr; 2], &str),
) -> Result<Plan, BenchError> {
    let config = TOLLGATE_TOKEN.fill(&[
        ("LISTEN", &address.to_string()),
        ("ADMIN", &admin.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("ACCESS_LOG", &tollgate::log_file(site, name)),
        ("IDP", section.trim_end()),
        ("REQUIRE", wants),
    ])?;
    tollgate::tollgate(name, site, (program, [address, admin]), &config)
}
