//! The gateway alone, for what has no peer to be measured beside.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::peer::{free_addresses, wait_until_ready};
use super::workbench::Workbench;
use super::{BenchError, write};
use crate::process::{Launch, Process};

pub(super) const NAME: &str = "tollgate";

/// A gateway under test and the file it was started with.
pub(super) struct Gateway {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) file: PathBuf,
    /// The part of the file that says where it listens.
    pub(super) head: String,
}

impl Gateway {
    /// Starts it with one worker; `rest` is the file behind listeners and log.
    pub(super) async fn start(bench: &Workbench, rest: &str) -> Result<Self, BenchError> {
        let site = &bench.site;
        let program = bench.gateway().ok_or_else(|| BenchError::Failed {
            program: NAME,
            said: "no binary was given".to_owned(),
        })?;
        let [address, admin] = free_addresses()?;
        let log = site.dir.join("tollgate-access.log");
        let head = format!(
            "listen: [{{ address: \"{address}\" }}]\nadmin: {{ address: \"{admin}\" }}\n\
             log: {{ access: {log} }}\nthreads: 1\n",
            log = log.display(),
        );
        let file = site.dir.join("tollgate.yaml");
        write(&file, &(head.clone() + rest))?;
        let mut process = Process::start(Launch {
            name: NAME,
            program: program.clone(),
            arguments: vec!["gateway".into(), "--config".into(), file.clone().into()],
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        })?;
        wait_until_ready(&mut process, admin, "/readyz").await?;
        Ok(Self {
            process,
            address,
            admin,
            file,
            head,
        })
    }

    pub(super) fn wrong_answer(&self, tally: &str) -> BenchError {
        let tally = format!("{tally}\n{}", self.process.said());
        BenchError::WrongAnswer { name: NAME, tally }
    }
}
