//! Envoy, tuned as its documentation says for speed: no request ids, no headers of its own, one worker.

use std::net::SocketAddr;
use std::path::Path;

use super::template::Template;
use super::{Log, Plan, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

/// Envoy with this configuration, in which `values` are filled in beside its addresses and its log.
pub(in crate::bench) fn envoy(
    name: &'static str,
    site: &Site,
    (program, [address, admin]): (&Path, [SocketAddr; 2]),
    (template, values): (Template, &[(&str, &str)]),
) -> Result<Plan, BenchError> {
    let log = site.dir.join(format!("{name}-access.log"));
    let ips = [address, admin, site.upstream].map(|it| it.ip().to_string());
    let ports = [address, admin, site.upstream].map(|it| it.port().to_string());
    let log_path = log.display().to_string();
    let mut all = vec![
        ("LISTEN_IP", ips[0].as_str()),
        ("LISTEN_PORT", &ports[0]),
        ("ADMIN_IP", &ips[1]),
        ("ADMIN_PORT", &ports[1]),
        ("UPSTREAM_IP", &ips[2]),
        ("UPSTREAM_PORT", &ports[2]),
        ("ACCESS_LOG", &log_path),
    ];
    all.extend(values);
    let file = site.dir.join(format!("{name}.yaml"));
    write(&file, &template.fill(&all)?)?;
    let mut arguments = vec!["-c".into(), file.into(), "--concurrency".into(), "1".into()];
    arguments.extend(["--log-level", "error", "--disable-hot-restart"].map(Into::into));
    Ok(Plan {
        launch: Launch {
            name,
            program: program.to_owned(),
            arguments,
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(log),
        load: address,
        ready: None,
    })
}
