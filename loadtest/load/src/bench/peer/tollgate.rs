//! The gateway, as it comes: nothing is switched off for the bench.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

pub(super) fn plan(
    row: Row,
    site: &Site,
    gateway: Option<&PathBuf>,
    [address, admin]: [SocketAddr; 2],
) -> Result<Plan, BenchError> {
    let name = row.name();
    let said = || "no binary was given".to_owned();
    let program = gateway.ok_or_else(|| BenchError::Failed {
        program: name,
        said: said(),
    })?;
    let log = site.dir.join(format!("{name}-access.log"));
    let file = site.dir.join(format!("{name}.yaml"));
    let upstream = site.upstream;
    let config = format!(
        r#"listen: [{{ address: "{address}", h2c: {h2c} }}]
admin: {{ address: "{admin}" }}
log: {{ access: {log} }}
threads: 1
services: {{ upstream: {{ endpoints: ["{upstream}"] }} }}
routes: [{{ match: "GET /{{rest*}}", to: upstream }}]
"#,
        log = log.display(),
        h2c = row == Row::TollgateHttp2,
    );
    write(&file, &config)?;
    let launch = Launch {
        name,
        program: program.clone(),
        arguments: vec!["gateway".into(), "--config".into(), file.into()],
        dir: site.dir.clone(),
        cpu: Some(site.proxy_cpu),
    };
    Ok(Plan {
        launch,
        log: Log::File(log),
        load: address,
        ready: Some(admin),
    })
}
