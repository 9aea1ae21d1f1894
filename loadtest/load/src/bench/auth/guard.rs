//! Who guards the service, and how each is seen to do it before it is measured.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use crate::bench::peer::{Peer, Plan, Site, free_addresses};
use crate::bench::{BenchError, upstream};
use crate::closed::{Expect, Load, Request};

use super::credentials::Credentials;
use super::{envoy, haproxy, nginx, tollgate};

const ATTEMPTS_MAX: usize = 50;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// A way to know who asks, of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Guard {
    TollgateOpen,
    TollgateCarried,
    TollgateReference,
    TollgateValue,
    NginxLua,
    HaproxyMap,
    EnvoyLua,
    EnvoyJwt,
}

/// What clients show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Shown {
    /// A reference token that nobody looks at.
    Nothing,
    Reference,
    Value,
}

impl Guard {
    /// In this order within every round.
    const ALL: [Self; 8] = [
        Self::TollgateOpen,
        Self::TollgateCarried,
        Self::TollgateReference,
        Self::TollgateValue,
        Self::NginxLua,
        Self::HaproxyMap,
        Self::EnvoyLua,
        Self::EnvoyJwt,
    ];

    /// Those that can be measured, and the names of those that cannot.
    pub(super) fn divide(has_envoy: bool) -> (Vec<Self>, Vec<&'static str>) {
        let is_here = |guard: &Self| has_envoy || !matches!(guard, Self::EnvoyLua | Self::EnvoyJwt);
        let (here, missing): (Vec<_>, Vec<_>) = Self::ALL.into_iter().partition(is_here);
        (here, missing.into_iter().map(Self::name).collect())
    }

    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::TollgateOpen => "tollgate-open",
            Self::TollgateCarried => "tollgate-carried",
            Self::TollgateReference => "tollgate-reference",
            Self::TollgateValue => "tollgate-value",
            Self::NginxLua => "nginx-lua",
            Self::HaproxyMap => "haproxy-map",
            Self::EnvoyLua => "envoy-lua",
            Self::EnvoyJwt => "envoy-jwt",
        }
    }

    pub(in crate::bench) fn setup(self) -> &'static str {
        match self {
            Self::TollgateOpen => "our own proxying, on a route that asks for no caller",
            Self::TollgateCarried => {
                "the same, and the route adds an `Authorization` as long as the one with a value token: \
                 what the bytes cost, whoever they are of"
            }
            Self::TollgateReference => {
                "a known reference token: digest, cache, fence, lease; a scope is checked; the value \
                 token is sent on; JSON access log and metrics on"
            }
            Self::TollgateValue => {
                "a known value token, made before the gateway was started: digest, cache, fence, lease; a \
                 scope is checked; it is sent on as it is; JSON access log and metrics on"
            }
            Self::NginxLua => {
                "shared dictionary of token and value token, filled at the start; JSON access log, \
                 buffer=64k flush=1s"
            }
            Self::HaproxyMap => {
                "map file of token and value token; httplog to a file, one write per line"
            }
            Self::EnvoyLua => "a Lua table of token and value token; access log to a file",
            Self::EnvoyJwt => {
                "jwt_authn with its cache of verified tokens; forwards the token; access log to a file"
            }
        }
    }

    pub(in crate::bench) fn shown(self) -> Shown {
        match self {
            Self::TollgateOpen | Self::TollgateCarried => Shown::Nothing,
            Self::TollgateReference | Self::NginxLua | Self::HaproxyMap | Self::EnvoyLua => {
                Shown::Reference
            }
            Self::TollgateValue | Self::EnvoyJwt => Shown::Value,
        }
    }

    fn is_open(self) -> bool {
        self.shown() == Shown::Nothing
    }
}

/// A guard that runs.
#[derive(Debug)]
pub(in crate::bench) struct Seat {
    pub(in crate::bench) guard: Guard,
    pub(in crate::bench) peer: Peer,
}

impl Seat {
    /// Starts it and sees that it lets the right ones through.
    pub(in crate::bench) async fn take(
        guard: Guard,
        site: &Site,
        (gateway, envoy): (&Path, Option<&Path>),
        credentials: &Credentials,
    ) -> Result<Self, BenchError> {
        let addresses = free_addresses()?;
        let plan: Plan = match guard {
            Guard::TollgateOpen
            | Guard::TollgateCarried
            | Guard::TollgateReference
            | Guard::TollgateValue => {
                tollgate::plan(guard, site, gateway, (addresses, credentials))?
            }
            Guard::NginxLua => nginx::plan(guard, site, addresses[0], credentials)?,
            Guard::HaproxyMap => haproxy::plan(guard, site, addresses[0], credentials)?,
            Guard::EnvoyLua | Guard::EnvoyJwt => {
                let envoy = envoy.ok_or_else(|| BenchError::Failed {
                    program: "envoy",
                    said: "no binary was given".to_owned(),
                })?;
                envoy::plan(guard, site, envoy, (addresses, credentials))?
            }
        };
        let seat = Self {
            guard,
            peer: Peer::launch(plan, addresses[0]).await?,
        };
        seat.check(credentials).await?;
        Ok(seat)
    }

    /// A gateway that was just started may not have the keys of value tokens yet, and says that it cannot
    /// tell.
    async fn wait_for_keys(&self, token: &str) {
        for _ in 0..ATTEMPTS_MAX {
            let request =
                Request::get("/v1/accounts/1").header("Authorization", format!("Bearer {token}"));
            let tally = Load::new(self.peer.address, request).run(1).await;
            if tally.status(503) == 0 {
                return;
            }
            sleep(ATTEMPT_PAUSE).await;
        }
    }

    async fn check(&self, credentials: &Credentials) -> Result<(), BenchError> {
        let shown = credentials.list(self.guard.shown()).first().cloned();
        let good = shown.unwrap_or_default();
        let mut bad = good.clone();
        // The last but one: the last character of base64 may hold bits that mean nothing.
        let flipped = bad.pop().zip(bad.pop());
        bad.push(if flipped.is_some_and(|(_, it)| it == 'A') {
            'B'
        } else {
            'A'
        });
        bad.extend(flipped.map(|(last, _)| last));
        let refused = if self.guard.is_open() { 200 } else { 401 };
        self.wait_for_keys(&good).await;
        let cases = [(Some(&good), 200), (Some(&bad), refused), (None, refused)];
        for (token, status) in cases {
            let mut request = Request::get("/v1/accounts/1");
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let expect = Expect::new(move |_, answer| {
                let is_ours = answer.body == upstream::BODY.as_bytes();
                answer.status == status && is_ours == (status == 200)
            });
            let load = Load {
                expect: Some(expect),
                ..Load::new(self.peer.address, request)
            };
            let tally = load.run(1).await;
            if tally.unexpected > 0 || tally.status(status) != 1 {
                return Err(BenchError::WrongAnswer {
                    name: self.guard.name(),
                    tally: format!("{tally}\n{}", self.peer.process.said()),
                });
            }
        }
        Ok(())
    }
}
