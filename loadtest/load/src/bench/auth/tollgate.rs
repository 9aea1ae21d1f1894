//! The gateway, as it comes.

use std::net::SocketAddr;
use std::path::Path;

use crate::bench::peer::{Log, Plan, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

use super::credentials::Credentials;
use super::guard::Guard;

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    program: &Path,
    ([address, admin], credentials): ([SocketAddr; 2], &Credentials),
) -> Result<Plan, BenchError> {
    let name = guard.name();
    let log = site.dir.join(format!("{name}-access.log"));
    let file = site.dir.join(format!("{name}.yaml"));
    let wants = match guard {
        Guard::TollgateReference => ", require: { scopes: [pay.read] }, staleness: strict",
        Guard::TollgateOpen
        | Guard::NginxLua
        | Guard::HaproxyMap
        | Guard::EnvoyLua
        | Guard::EnvoyJwt => "",
    };
    let config = format!(
        r#"listen: [{{ address: "{address}" }}]
admin: {{ address: "{admin}" }}
log: {{ access: {log} }}
threads: 1
{idp}services: {{ upstream: {{ endpoints: ["{upstream}"] }} }}
routes: [{{ match: "GET /{{rest*}}", to: upstream{wants} }}]
"#,
        log = log.display(),
        idp = credentials.section(),
        upstream = site.upstream,
    );
    write(&file, &config)?;
    Ok(Plan {
        launch: Launch {
            name,
            program: program.to_owned(),
            arguments: vec!["gateway".into(), "--config".into(), file.into()],
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(log),
        load: address,
        ready: Some(admin),
    })
}
