//! What every peer forwards to: nginx with one fixed answer, the cheapest upstream there is, so
//! that the proxy is what limits the run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::BenchError;
use super::peer::{UPSTREAM, free_addresses, nginx, wait_until_ready};
use crate::process::Process;

/// 336 bytes, about what a small read of an account has.
pub(super) const BODY: &str = concat!(
    r#"{"account":"acc_01HZX8Q4R6T","owner":"mem_01HZX8Q4R6T7","currency":"EUR","#,
    r#""balance":"1250.75","available":"1180.00","status":"active","opened":"2024-03-18","#,
    r#""limits":{"day":"5000.00","month":"20000.00"},"last":[{"id":"trf_01J0A","amount":"#,
    r#""-70.75","at":"2025-01-07T09:12:44Z"},{"id":"trf_01J09","amount":"200.00","at":"#,
    r#""2025-01-06T18:00"}]}"#,
);

/// Enough for the kept connections of all peers together: nginx would close idle ones for room.
const CONNECTIONS_MAX: usize = 16_384;

#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    _process: Process,
}

impl Upstream {
    pub(super) async fn start(
        dir: &Path,
        cpu: usize,
        files_max: usize,
    ) -> Result<Self, BenchError> {
        let dir = dir.join("upstream");
        fs::create_dir_all(&dir).map_err(BenchError::io("cannot make the upstream's folder"))?;
        let [address, _] = free_addresses()?;
        let config = UPSTREAM.fill(&[
            ("LISTEN", &address.to_string()),
            ("CONNECTIONS", &files_max.min(CONNECTIONS_MAX).to_string()),
            ("BODY", BODY),
        ])?;
        let mut process = Process::start(nginx::nginx("upstream", &dir, cpu, &config)?)?;
        wait_until_ready(&mut process, address, "/").await?;
        Ok(Self {
            address,
            _process: process,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_json_of_336_bytes() {
        assert_eq!(BODY.len(), 336);
        serde_json::from_str::<serde_json::Value>(BODY).unwrap();
        // Either would mean something to nginx.
        assert!(!BODY.contains(['\'', '$']));
    }
}
