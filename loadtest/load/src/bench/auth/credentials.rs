//! Tokens of an identity provider that runs, and what services are shown in their place.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::bench::{BenchError, write};
use crate::closed::{Dialogue, Limits, Load, Request};
use crate::fleet::{Fleet, FleetSettings, Gateway, Route, Service};
use crate::revocation::Case;

use super::guard::Shown;

const REFERENCES: usize = 10_000;
const VALUES: usize = 200;

#[derive(Debug)]
pub(in crate::bench) struct Credentials {
    /// Runs as long as its tokens are to be good.
    fleet: Fleet,
    pub(super) references: Vec<String>,
    pub(super) values: Vec<String>,
    /// The key set of the identity provider.
    pub(super) jwks: String,
    dir: PathBuf,
    _service: Service,
}

impl Credentials {
    pub(in crate::bench) async fn issue(tollgate: &Path, dir: &Path) -> Result<Self, BenchError> {
        let service = Service::start().await;
        let service = service.map_err(BenchError::io("cannot start the service"))?;
        let settings = FleetSettings {
            gateways: 1,
            has_redis: false,
            ..FleetSettings::new(tollgate.to_owned(), service.address)
        };
        let fleet = Fleet::start(&settings).await?;
        let cases = Case::issue(&fleet, REFERENCES, None).await?;
        let references: Vec<_> = cases.into_iter().map(|case| case.token.text).collect();
        let values = see_values(&fleet, &service, &references).await?;
        let jwks = fetch(fleet.idp.public, "/jwks").await?;
        let it = Self {
            fleet,
            references,
            values,
            jwks,
            dir: dir.to_owned(),
            _service: service,
        };
        for shown in [Shown::Reference, Shown::Value] {
            let list = it.list(shown).join("\n") + "\n";
            write(&it.file(shown), &list)?;
        }
        Ok(it)
    }

    /// One to a line.
    pub(in crate::bench) fn file(&self, shown: Shown) -> PathBuf {
        self.dir.join(match shown {
            Shown::Nothing | Shown::Reference => "references.txt",
            Shown::Value => "values.txt",
        })
    }

    pub(super) fn list(&self, shown: Shown) -> &[String] {
        match shown {
            Shown::Nothing | Shown::Reference => &self.references,
            Shown::Value => &self.values,
        }
    }

    /// What a service is shown in place of the n-th reference token, where that stays as it is: one of
    /// the value tokens, so that it is as long as ours.
    pub(super) fn value_of(&self, place: usize) -> Option<&str> {
        let place = place.checked_rem(self.values.len())?;
        self.values.get(place).map(String::as_str)
    }

    pub(in crate::bench) fn value_token_bytes(&self) -> usize {
        self.values.first().map_or(0, String::len)
    }

    /// What a gateway's file says of the identity provider.
    pub(super) fn section(&self) -> String {
        self.fleet.idp.section()
    }
}

/// Uses tokens, so that the service is shown what stands for them.
async fn see_values(
    fleet: &Fleet,
    service: &Service,
    references: &[String],
) -> Result<Vec<String>, BenchError> {
    let gateway = fleet.gateways.first();
    let gateway = gateway.ok_or_else(|| wrong("there is no gateway".to_owned()))?;
    let mut dialogue = Dialogue::new(gateway.address, Limits::default());
    let mut values = Vec::new();
    for token in references.iter().take(VALUES) {
        let answered = dialogue.ask(&Gateway::request(Route::Strict, token)).await;
        let answer = answered.map_err(|failure| wrong(failure.to_string()))?;
        let value = service.last_value().filter(|_| answer.status == 200);
        values.push(value.ok_or_else(|| wrong(format!("no value token: {}", answer.status)))?);
    }
    Ok(values)
}

async fn fetch(address: SocketAddr, path: &str) -> Result<String, BenchError> {
    let asked = Load::new(address, Request::get(path)).ask().await;
    let answer = asked.map_err(|failure| wrong(failure.to_string()))?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

pub(super) fn wrong(tally: String) -> BenchError {
    BenchError::WrongAnswer {
        name: "tollgate",
        tally,
    }
}
