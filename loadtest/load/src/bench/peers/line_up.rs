//! Who takes part: everybody that is here, started and seen to do its job.

use std::path::Path;
use std::rc::Rc;

use crate::bench::auth::credentials::Credentials;
use crate::bench::auth::guard::{Guard, Seat, Shown};
use crate::bench::auth::wrk;
use crate::bench::idp::call::Call;
use crate::bench::idp::provider::{Provider, Which};
use crate::bench::memory::pss_kib;
use crate::bench::peer::{Peer, Row};
use crate::bench::workbench::Workbench;
use crate::bench::wrk::Wrk;
use crate::bench::{BenchError, say};

use super::entrant::{By, Entrant};
use super::job::Job;
use super::{Installed, PeersOptions};

const LUA: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";
/// In this order within every round, each with its configuration.
const ROWS: [(Row, &str); 5] = [
    (Row::Tollgate, "tollgate/forward.yaml"),
    (Row::Nginx, "nginx/forward.conf"),
    (Row::Haproxy, "haproxy/forward.cfg"),
    (Row::Envoy, "envoy/forward.yaml"),
    (Row::Varnish, "varnish/forward.vcl"),
];
const GUARDS: [(Guard, &str, &str); 5] = [
    (Guard::TollgateReference, "tollgate", "tollgate/token.yaml"),
    (Guard::NginxLua, "nginx", "nginx/token.conf"),
    (Guard::HaproxyMap, "haproxy", "haproxy/token.cfg"),
    (Guard::EnvoyLua, "envoy", "envoy/token.yaml"),
    (Guard::EnvoyJwt, "envoy", "envoy/signed.yaml"),
];

/// Fields are dropped in order: who is measured ends before the tokens do.
pub(super) struct LineUp {
    pub(super) entrants: Vec<Entrant>,
    pub(super) absent: Vec<&'static str>,
    pub(super) credentials: Credentials,
}

pub(super) fn has_lua() -> bool {
    Path::new(LUA).exists()
}

impl LineUp {
    pub(super) async fn start(
        bench: &Workbench,
        options: &PeersOptions,
        (tollgate, has): (&Path, Installed),
    ) -> Result<Self, BenchError> {
        say("issuing the tokens that are shown");
        let credentials = Credentials::issue(tollgate, &bench.site.dir).await?;
        let mut line_up = Self {
            entrants: Vec::new(),
            absent: Vec::new(),
            credentials,
        };
        let here = |peer: &str| match peer {
            "haproxy" => has.haproxy,
            "varnish" => has.varnish,
            "envoy" => options.envoy.is_some(),
            _ => true,
        };
        for (row, file) in ROWS {
            if line_up.takes_part(here(row.name()), row.name()) {
                line_up.add_row(bench, options, (row, file)).await?;
            }
        }
        for (guard, peer, file) in GUARDS {
            let is_here = here(peer) && (guard != Guard::NginxLua || has.nginx_lua);
            if line_up.takes_part(is_here, guard.name()) {
                let given = (tollgate, guard);
                line_up
                    .add_guard(bench, options, given, (peer, file))
                    .await?;
            }
        }
        line_up.add_providers(bench, options, tollgate).await?;
        Ok(line_up)
    }

    fn takes_part(&mut self, is_here: bool, name: &'static str) -> bool {
        if !is_here {
            say(&format!("{name} is not installed: it takes no part"));
            self.absent.push(name);
        }
        is_here
    }

    async fn add_row(
        &mut self,
        bench: &Workbench,
        options: &PeersOptions,
        (row, file): (Row, &'static str),
    ) -> Result<(), BenchError> {
        let program = if row == Row::Envoy {
            options.envoy.as_deref()
        } else {
            options.tollgate.as_deref()
        };
        let peer = Peer::start(row, &bench.site, program).await?;
        self.entrants.push(Entrant {
            job: Job::Forward,
            peer: row.name(),
            name: row.name(),
            setup: row.setup(),
            file,
            pss_kib_at_rest: pss_kib(&peer.process.family()?)?,
            by: By::Peer {
                peer: peer.into(),
                wrk: Wrk::new(&bench.site.dir, options.connections)?,
                tokens: None,
            },
        });
        Ok(())
    }

    async fn add_guard(
        &mut self,
        bench: &Workbench,
        options: &PeersOptions,
        (tollgate, guard): (&Path, Guard),
        (peer, file): (&'static str, &'static str),
    ) -> Result<(), BenchError> {
        let programs = (tollgate, options.envoy.as_deref());
        let seat = Seat::take(guard, &bench.site, programs, &self.credentials).await?;
        let shown = guard.shown();
        self.entrants.push(Entrant {
            job: Job::Token,
            peer,
            name: guard.name(),
            setup: guard.setup(),
            file,
            pss_kib_at_rest: pss_kib(&seat.peer.process.family()?)?,
            by: By::Peer {
                peer: seat.peer.into(),
                wrk: wrk(guard, bench, &self.credentials, options.connections)?,
                tokens: (shown != Shown::Nothing).then(|| self.credentials.file(shown)),
            },
        });
        Ok(())
    }

    async fn add_providers(
        &mut self,
        bench: &Workbench,
        options: &PeersOptions,
        tollgate: &Path,
    ) -> Result<(), BenchError> {
        let programs = [
            (Which::Tollgate, Some(tollgate), "tollgate/idp.yaml"),
            (
                Which::OidcProvider,
                options.oidc_provider.as_deref(),
                "oidc-provider/server.mjs",
            ),
        ];
        let mut providers = Vec::new();
        for (which, program, file) in programs {
            self.takes_part(program.is_some(), which.name());
            let Some(program) = program else { continue };
            let (dir, cpu) = (bench.site.dir.join("idp"), bench.site.proxy_cpu);
            let provider = Provider::start(which, program, &dir, cpu).await?;
            let at_rest = pss_kib(&provider.process.family()?)?;
            providers.push((Rc::new(provider), file, at_rest));
        }
        for call in Call::ALL {
            for (provider, file, at_rest) in &providers {
                let which = provider.which;
                self.entrants.push(Entrant {
                    job: match call {
                        Call::Issue => Job::Issue,
                        Call::Introspect => Job::Introspect,
                    },
                    peer: which.name(),
                    name: which.name(),
                    setup: which.setup(),
                    file,
                    by: By::Provider {
                        provider: Rc::clone(provider),
                        call,
                    },
                    pss_kib_at_rest: *at_rest,
                });
            }
        }
        Ok(())
    }
}
