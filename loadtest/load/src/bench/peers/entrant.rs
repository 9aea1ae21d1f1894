//! One set-up that does one job.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::json;

use crate::bench::idp::call::{Call, FORM};
use crate::bench::idp::provider::Provider;
use crate::bench::memory::{Footprint, pss_kib};
use crate::bench::peer::{Log, Peer};
use crate::bench::round::{Gauge, Generator, Sample, Subject};
use crate::bench::wrk::Wrk;
use crate::bench::{BenchError, write};

use super::WARM_UP_SECONDS;
use super::job::Job;
use super::offered::{Asked, Offered, Pace};

/// What every upstream's answer holds.
const SIGN_OF_UPSTREAM: &str = "acc_01HZX8Q4R6T";

#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) job: Job,
    /// Whose it is.
    pub(super) peer: &'static str,
    pub(super) name: &'static str,
    pub(super) setup: &'static str,
    /// Its configuration, in the repository.
    pub(super) file: &'static str,
    pub(super) by: By,
    pub(super) pss_kib_at_rest: u64,
}

#[derive(Debug)]
pub(super) enum By {
    Peer {
        peer: Box<Peer>,
        wrk: Wrk,
        /// A file of tokens to show.
        tokens: Option<PathBuf>,
    },
    /// One process does both kinds of calls.
    Provider { provider: Rc<Provider>, call: Call },
}

impl Entrant {
    pub(super) fn subject(&self) -> Subject<'_> {
        match &self.by {
            By::Peer { peer, .. } => peer.subject(),
            By::Provider { provider, .. } => Subject {
                process: &provider.process,
                log: &Log::Off,
                load: provider.address,
            },
        }
    }

    pub(super) fn has_log(&self) -> bool {
        matches!(self.by, By::Peer { .. })
    }

    pub(super) fn pss_kib(&self) -> Result<Footprint, BenchError> {
        Ok(Footprint {
            at_rest: self.pss_kib_at_rest,
            after: pss_kib(&self.subject().process.family()?)?,
        })
    }

    pub(super) async fn warm_up(&self, dir: &Path, connections: usize) -> Result<(), BenchError> {
        let made = self.wrk(dir, connections).await?;
        self.chosen(made.as_ref())
            .run(self.subject().load, WARM_UP_SECONDS)
            .await?;
        Ok(())
    }

    /// As fast as it can.
    pub(super) async fn measure_closed(
        &self,
        dir: &Path,
        connections: usize,
        (seconds, round): (u64, u32),
    ) -> Result<Sample, BenchError> {
        let made = self.wrk(dir, connections).await?;
        let gauge = Gauge {
            generator: Generator::Wrk(self.chosen(made.as_ref())),
            seconds,
        };
        gauge.measure(self.subject(), round).await
    }

    /// At the load that all of its job are given.
    pub(super) async fn measure_offered(
        &self,
        dir: &Path,
        connections: usize,
        seconds: u64,
    ) -> Result<Offered, BenchError> {
        let asked = self.asked(dir).await?;
        let pace = Pace {
            per_second: self.job.offered_per_second(),
            connections,
            seconds,
        };
        Offered::measure(self.subject(), dir, pace, &asked).await
    }

    /// The load of a provider is made anew each time: what is introspected must be good for long enough,
    /// and the peer forgets all but its newest thousand tokens.
    async fn wrk(&self, dir: &Path, connections: usize) -> Result<Option<Wrk>, BenchError> {
        match &self.by {
            By::Peer { .. } => Ok(None),
            By::Provider { provider, call } => {
                call.check(provider).await?;
                call.load(provider, dir, connections).await.map(Some)
            }
        }
    }

    fn chosen<'a>(&'a self, made: Option<&'a Wrk>) -> &'a Wrk {
        match (&self.by, made) {
            (By::Peer { wrk, .. }, _) => wrk,
            (By::Provider { .. }, made) => {
                made.expect("invariant: `wrk` makes one for each provider")
            }
        }
    }

    async fn asked(&self, dir: &Path) -> Result<Asked, BenchError> {
        match &self.by {
            By::Peer { tokens, .. } => {
                let mut values = json!({ "n": { "from": 1, "to": 100 } });
                let mut request = json!({
                    "name": self.name,
                    "get": "/v1/accounts/{n}",
                    "body_holds": SIGN_OF_UPSTREAM,
                });
                if let Some(file) = tokens {
                    values["token"] = json!({ "file": file });
                    request["headers"] = json!({ "Authorization": "Bearer {token}" });
                }
                Ok(Asked { request, values })
            }
            By::Provider { provider, call } => {
                let file = dir.join(format!("{}-{}.txt", self.name, call.name()));
                write(&file, &(call.bodies(provider).await?.join("\n") + "\n"))?;
                Ok(Asked {
                    request: json!({
                        "name": self.name,
                        "post": call.path(provider),
                        "headers": { "Content-Type": FORM },
                        "body": "{body}",
                    }),
                    values: json!({ "body": { "file": file } }),
                })
            }
        }
    }
}
