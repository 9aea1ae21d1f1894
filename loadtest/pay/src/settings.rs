//! What a caller says before the services start.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clock::Clock;
use crate::listener::ConnectionLimits;
use crate::remittance::peers::Patience;
use crate::seed::Sizes;
use crate::trust::{KeyRefresh, Trust};

/// Where the services listen. Several addresses of one service serve the same data; port 0 takes a
/// free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub membership: Vec<SocketAddr>,
    pub banking: Vec<SocketAddr>,
    pub money: Vec<SocketAddr>,
    pub remittance: Vec<SocketAddr>,
    pub admin: SocketAddr,
}

impl Listen {
    /// Every service on a free port of this machine.
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            membership: vec![free],
            banking: vec![free],
            money: vec![free],
            remittance: vec![free],
            admin: free,
        }
    }
}

/// How much the services remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Answers kept per service for repeated writes; the oldest are forgotten first.
    pub answers_max: usize,
    /// Entries the ledger keeps singly; older ones are carried forward into opening balances.
    pub ledger_entries_max: usize,
    /// Payouts banking remembers; the oldest are forgotten first.
    pub payouts_max: usize,
    /// Remittances that can be made in addition to the seeded ones; more are refused.
    pub remittances_max: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            answers_max: 500_000,
            ledger_entries_max: 500_000,
            payouts_max: 500_000,
            remittances_max: 500_000,
        }
    }
}

/// Everything about one set of services.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: Listen,
    /// The number from which all data follows.
    pub seed: u64,
    pub sizes: Sizes,
    pub memory: Memory,
    pub connections: ConnectionLimits,
    pub patience: Patience,
    /// Whose tokens are believed; without it, nobody is asked for one.
    pub trust: Option<Trust>,
    pub key_refresh: KeyRefresh,
    /// How long open requests may take to end at shutdown.
    pub drain_timeout: Duration,
    pub clock: Clock,
}

impl Settings {
    /// The usual services at these addresses.
    pub fn new(listen: Listen) -> Self {
        Self {
            listen,
            seed: 1,
            sizes: Sizes::default(),
            memory: Memory::default(),
            connections: ConnectionLimits::default(),
            patience: Patience::default(),
            trust: None,
            key_refresh: KeyRefresh::default(),
            drain_timeout: Duration::from_secs(10),
            clock: Clock::system(),
        }
    }

    /// Names a limit of nothing: idempotency, for one, is not switched off by forgetting.
    pub(crate) fn check_limits(&self) -> Result<(), &'static str> {
        let limits = [
            ("answers_max", self.memory.answers_max),
            ("ledger_entries_max", self.memory.ledger_entries_max),
            ("payouts_max", self.memory.payouts_max),
            ("connections_max", self.connections.connections_max as usize),
            ("attempts_max", self.patience.attempts_max as usize),
        ];
        let zero = limits.into_iter().find(|(_, limit)| *limit == 0);
        zero.map_or(Ok(()), |(name, _)| Err(name))
    }
}
