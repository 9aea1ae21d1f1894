//! The pay services with a gateway in front of them, and composers beside it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::layout::Layout;
use super::super::peer::{free_addresses, wait_until_ready};
use super::super::{BenchError, write};
use crate::process::{Launch, Process};

pub(super) const NAME: &str = "tollgate";
/// Of the list that is composed.
pub(in crate::bench) const ROWS: usize = 100;
/// Enough to fill a small cache ten times over.
pub(super) const MEMBERS: u32 = 25_000;
/// So that a member has sent more than [`ROWS`] remittances.
const REMITTANCES: u32 = 500_000;

/// Where a client asks, besides the composer.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Services {
    pub(in crate::bench) membership: SocketAddr,
    pub(in crate::bench) banking: SocketAddr,
    pub(in crate::bench) money: SocketAddr,
    pub(in crate::bench) remittance: SocketAddr,
}

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) gateway: SocketAddr,
    /// Of the pay services.
    pub(super) pay_admin: SocketAddr,
    pub(super) composing: Composing,
    up: Process,
    place: Place,
}

/// A composer.
pub(super) struct Composing {
    pub(super) address: SocketAddr,
    pub(super) internal: SocketAddr,
    process: Process,
}

/// How processes are started.
struct Place {
    tollgate: PathBuf,
    dir: PathBuf,
    layout: Layout,
}

/// By their ids.
pub(super) struct Processes {
    /// Gateway and services, which are one.
    pub(super) others: Vec<u32>,
    pub(super) composer: Vec<u32>,
    pub(super) client: u32,
}

impl Stage {
    pub(super) async fn start(
        tollgate: &Path,
        dir: &Path,
        layout: Layout,
    ) -> Result<Self, BenchError> {
        let place = Place {
            tollgate: tollgate.to_owned(),
            dir: dir.to_owned(),
            layout,
        };
        let [membership, banking] = free_addresses()?;
        let [money, remittance] = free_addresses()?;
        let [gateway, admin] = free_addresses()?;
        let [pay_admin, _] = free_addresses()?;
        let services = Services {
            membership,
            banking,
            money,
            remittance,
        };
        let file = dir.join("up.yaml");
        write(&file, &gateway_file(services, gateway, admin, dir))?;
        let numbers = [
            ("--members", MEMBERS.to_string()),
            ("--remittances", REMITTANCES.to_string()),
            ("--pay-admin", pay_admin.to_string()),
        ];
        let mut arguments: Vec<OsString> = vec!["up".into(), "--config".into(), file.into()];
        for (name, number) in numbers {
            arguments.extend([name.into(), number.into()]);
        }
        let mut up = place.launch("tollgate-up", arguments)?;
        wait_until_ready(&mut up, admin, "/readyz").await?;
        let composing = place.compose("composer", services, More::default()).await?;
        Ok(Self {
            services,
            gateway,
            pay_admin,
            composing,
            up,
            place,
        })
    }

    /// Another composer over the same services.
    pub(super) async fn compose(
        &self,
        name: &'static str,
        more: More,
    ) -> Result<Composing, BenchError> {
        self.place.compose(name, self.services, more).await
    }

    pub(super) fn processes(&self) -> Result<Processes, BenchError> {
        Ok(Processes {
            others: self.up.family()?,
            composer: self.composing.processes()?,
            client: std::process::id(),
        })
    }
}

impl Composing {
    pub(super) fn processes(&self) -> Result<Vec<u32>, BenchError> {
        self.process.family()
    }
}

impl Place {
    fn launch(&self, name: &'static str, arguments: Vec<OsString>) -> Result<Process, BenchError> {
        Process::start(Launch {
            name,
            program: self.tollgate.clone(),
            arguments,
            dir: self.dir.clone(),
            cpu: Some(self.layout.proxy_cpu),
        })
    }

    async fn compose(
        &self,
        name: &'static str,
        services: Services,
        more: More,
    ) -> Result<Composing, BenchError> {
        let [address, internal] = free_addresses()?;
        let file = self.dir.join(name).with_extension("yaml");
        write(&file, &composer_file(services, (address, internal), &more))?;
        let arguments = vec!["composer".into(), "--config".into(), file.into()];
        let mut process = self.launch(name, arguments)?;
        wait_until_ready(&mut process, internal, "/readyz").await?;
        Ok(Composing {
            address,
            internal,
            process,
        })
    }
}

/// What else is declared, as it stands in a file.
#[derive(Debug, Default)]
pub(in crate::bench) struct More {
    pub(super) services: String,
    pub(super) lookups: String,
    pub(super) endpoints: String,
}

fn services_of(services: Services, more: &str) -> String {
    let Services {
        membership,
        banking,
        money,
        remittance,
    } = services;
    format!(
        "services:\n\
         \x20 membership: {{ endpoints: [\"{membership}\"], credential: none }}\n\
         \x20 banking: {{ endpoints: [\"{banking}\"], credential: none }}\n\
         \x20 money: {{ endpoints: [\"{money}\"] }}\n\
         \x20 remittance: {{ endpoints: [\"{remittance}\"] }}\n\
         {more}threads: 1\n"
    )
}

fn gateway_file(services: Services, listen: SocketAddr, admin: SocketAddr, dir: &Path) -> String {
    let log = dir.join("access.log");
    format!(
        "listen: [{{ address: \"{listen}\" }}]\nadmin: {{ address: \"{admin}\" }}\n\
         log: {{ access: {log} }}\n{services}routes:\n\
         \x20 - {{ match: \"/members/{{rest*}}\", to: membership }}\n\
         \x20 - {{ match: \"GET /members/{{id}}/balance\", to: money }}\n\
         \x20 - {{ match: \"GET /banks/{{rest*}}\", to: banking }}\n\
         \x20 - {{ match: \"GET /remittances/{{rest*}}\", to: remittance }}\n",
        log = log.display(),
        services = services_of(services, ""),
    )
}

/// As in the built-in default, with as many rows as are compared.
pub(in crate::bench) fn composer_file(
    services: Services,
    (listen, internal): (SocketAddr, SocketAddr),
    more: &More,
) -> String {
    let More {
        services: more_services,
        lookups,
        endpoints,
    } = more;
    format!(
        "listen: [{{ address: \"{listen}\" }}]\nadmin: {{ address: \"{internal}\" }}\n{services}\
         lookups:\n\
         \x20 member:\n\
         \x20   get_many: GET membership /directory?ids={{keys}}&versions={{versions}}\n\
         \x20   key: memberId\n\
         \x20   version: version\n\
         \x20   cache: {{ ttl: 10m, size: 64MiB, shared: true }}\n\
         \x20 bank: {{ table: \"GET banking /banks?changedSince={{lastModified}}\", key: bankCode, refresh: 60s }}\n\
         {lookups}endpoints:\n\
         \x20 - GET /members/{{memberId}}/transfer-history:\n\
         \x20     budget: 5s\n\
         \x20     steps:\n\
         \x20       history: {{ call: \"GET remittance /remittances?member={{memberId}}&limit={ROWS}\", required: true, timeout: 4s }}\n\
         \x20       balance: {{ call: \"GET money /members/{{memberId}}/balance\", else: null, timeout: 4s }}\n\
         \x20     answer:\n\
         \x20       cursor: history.next\n\
         \x20       balance: balance.amount\n\
         \x20       transfers:\n\
         \x20         each: history.items\n\
         \x20         max: 500\n\
         \x20         keep: [remittanceId, amount, currency, state, sentAt]\n\
         \x20         join: {{ receiverName: member(receiverId).name, bankName: bank(bankCode).name }}\n{endpoints}",
        services = services_of(services, more_services),
    )
}
