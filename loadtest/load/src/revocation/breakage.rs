//! What can go wrong, and what is put up with while it does.

mod complaints;
mod deeds;

use std::time::Duration;

pub(super) use complaints::complain;
pub(super) use deeds::{break_it, mend};

/// Seconds: a few are what clocks differ by where somebody looks after them, minutes where nobody does.
const CLOCKS: [i64; 4] = [5, -5, 120, -120];

const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    Nothing,
    RedisKilled,
    RedisPaused,
    RedisFlushed,
    /// It takes no more writes.
    RedisFull,
    /// Its replica, which lacks the last writes, takes its place.
    RedisReplaced,
    /// Between the gateways and Redis.
    RedisCut,
    RedisSlow,
    /// Between the identity provider and Redis.
    RelayCut,
    RelaySlow,
    IdpKilled,
    IdpPaused,
    /// Between the gateways and the identity provider.
    IdpCut,
    IdpSlow,
    /// No file of it may grow.
    IdpDiskFull,
    /// It cannot open another file, and so take another connection.
    IdpFilesSpent,
    /// Its wall clock is so many seconds off.
    IdpClock(i64),
    /// Redis and the identity provider, for the gateways.
    BothCut,
    GatewayKilled,
    GatewayPaused,
    /// As for an update: it is told to go, and started again.
    GatewayStopped,
    /// All of them load their configuration, again and again.
    GatewaysReloaded,
    /// They are told to load a file that is wrong.
    GatewaysMisled,
    GatewayFilesSpent,
    /// The file of its access log may not grow.
    GatewayDiskFull,
    GatewayClock(i64),
    /// One of two.
    EndpointDead,
    /// It takes connections, and nothing comes of them.
    EndpointHalfOpen,
    ServiceDead,
    ServiceHalfOpen,
    ServiceSlow,
    /// In the middle of an answer.
    ServiceBreaksOff,
    /// What it answers is no HTTP.
    ServiceBabbles,
    /// Hundreds of clients send their heads a byte at a time.
    ClientsDrip,
}

impl Breakage {
    /// The table of failures, row by row.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let of_redis = [
            Self::RedisKilled,
            Self::RedisPaused,
            Self::RedisFlushed,
            Self::RedisFull,
            Self::RedisReplaced,
            Self::RedisCut,
            Self::RedisSlow,
            Self::RelayCut,
            Self::RelaySlow,
        ];
        let of_idp = [
            Self::IdpKilled,
            Self::IdpPaused,
            Self::IdpCut,
            Self::IdpSlow,
            Self::IdpDiskFull,
            Self::IdpFilesSpent,
        ];
        let of_gateways = [
            Self::GatewayKilled,
            Self::GatewayPaused,
            Self::GatewayStopped,
            Self::GatewaysReloaded,
            Self::GatewaysMisled,
            Self::GatewayFilesSpent,
            Self::GatewayDiskFull,
        ];
        let of_others = [
            Self::EndpointDead,
            Self::EndpointHalfOpen,
            Self::ServiceDead,
            Self::ServiceHalfOpen,
            Self::ServiceSlow,
            Self::ServiceBreaksOff,
            Self::ServiceBabbles,
            Self::ClientsDrip,
        ];
        let mut all = vec![Self::Nothing];
        all.extend(of_redis);
        all.extend(of_idp);
        all.extend(CLOCKS.map(Self::IdpClock));
        all.push(Self::BothCut);
        all.extend(of_gateways);
        all.extend(CLOCKS.map(Self::GatewayClock));
        all.extend(of_others);
        all
    }

    #[must_use]
    pub fn name(self) -> String {
        let name = match self {
            Self::Nothing => "nothing",
            Self::RedisKilled => "Redis killed, back empty",
            Self::RedisPaused => "Redis paused",
            Self::RedisFlushed => "Redis flushed",
            Self::RedisFull => "Redis takes no writes",
            Self::RedisReplaced => "Redis replaced by a replica that lags",
            Self::RedisCut => "gateways cut off from Redis",
            Self::RedisSlow => "slow line to Redis",
            Self::RelayCut => "relay cut off from Redis",
            Self::RelaySlow => "slow line of the relay",
            Self::IdpKilled => "identity provider killed",
            Self::IdpPaused => "identity provider paused",
            Self::IdpCut => "gateways cut off from the identity provider",
            Self::IdpSlow => "slow line to the identity provider",
            Self::IdpDiskFull => "disk of the identity provider full",
            Self::IdpFilesSpent => "identity provider out of file descriptors",
            Self::IdpClock(off) => return clock("identity provider", off),
            Self::BothCut => "gateways cut off from both",
            Self::GatewayKilled => "a gateway killed",
            Self::GatewayPaused => "a gateway paused",
            Self::GatewayStopped => "a gateway stopped and started",
            Self::GatewaysReloaded => "gateways reload all the time",
            Self::GatewaysMisled => "gateways told to load a file that is wrong",
            Self::GatewayFilesSpent => "a gateway out of file descriptors",
            Self::GatewayDiskFull => "disk of a gateway's access log full",
            Self::GatewayClock(off) => return clock("a gateway", off),
            Self::EndpointDead => "an endpoint of two dead",
            Self::EndpointHalfOpen => "an endpoint of two half-open",
            Self::ServiceDead => "service dead",
            Self::ServiceHalfOpen => "service half-open",
            Self::ServiceSlow => "service slow",
            Self::ServiceBreaksOff => "service breaks off in its answers",
            Self::ServiceBabbles => "service answers nonsense",
            Self::ClientsDrip => "clients that drip",
        };
        name.to_owned()
    }

    /// Whether it can happen where there is no Redis.
    #[must_use]
    pub fn needs_redis(self) -> bool {
        matches!(
            self,
            Self::RedisKilled
                | Self::RedisPaused
                | Self::RedisFlushed
                | Self::RedisFull
                | Self::RedisReplaced
                | Self::RedisCut
                | Self::RedisSlow
                | Self::RelayCut
                | Self::RelaySlow
        )
    }

    /// Whether Redis makes any difference to it.
    #[must_use]
    pub fn heeds_redis(self) -> bool {
        let is_of_others = self.is_of_service() || self == Self::ClientsDrip;
        let is_of_processes = matches!(
            self,
            Self::BothCut
                | Self::GatewayStopped
                | Self::GatewaysReloaded
                | Self::GatewaysMisled
                | Self::GatewayFilesSpent
                | Self::GatewayDiskFull
                | Self::GatewayClock(_)
                | Self::IdpClock(_)
        );
        !is_of_others && !is_of_processes
    }

    /// Whether a gateway is there before it knows anything.
    #[must_use]
    pub fn starts_gateways(self) -> bool {
        matches!(self, Self::GatewayKilled | Self::GatewayStopped)
    }

    /// Whether gateways go on otherwise for a while once it is over: they come back to Redis and to
    /// services with caution. Something else that breaks then is seen by a fleet of its own.
    #[must_use]
    pub fn leaves_traces(self) -> bool {
        self.needs_redis() || self.is_of_service() || self == Self::BothCut
    }

    /// Whether a request may have waited for its service longer than it may when its gateway goes on.
    #[must_use]
    pub fn delays_gateways(self) -> bool {
        matches!(self, Self::GatewayPaused | Self::GatewayFilesSpent)
    }

    /// Whether a good token may be answered 502 or 504, or 503 as long as a breaker is open.
    #[must_use]
    pub fn is_of_service(self) -> bool {
        matches!(
            self,
            Self::EndpointDead
                | Self::EndpointHalfOpen
                | Self::ServiceDead
                | Self::ServiceHalfOpen
                | Self::ServiceSlow
                | Self::ServiceBreaksOff
                | Self::ServiceBabbles
        )
    }

    /// How soon after the mending everybody is served as before. A breaker stays open for five
    /// seconds at first, and a little longer by chance.
    #[must_use]
    pub fn recovers_within(self) -> Duration {
        let seconds = if self.is_of_service() { 7 } else { 2 };
        Duration::from_secs(seconds)
    }

    /// How long it has to last to be seen: a clock is looked at once a second, and a service is waited
    /// for for two.
    #[must_use]
    pub fn lasts(self, hold: Duration) -> Duration {
        let is_slow_to_see = matches!(
            self,
            Self::IdpClock(_)
                | Self::GatewayClock(_)
                | Self::EndpointHalfOpen
                | Self::ServiceHalfOpen
        );
        if is_slow_to_see {
            return hold.max(SEEN_WITHIN);
        }
        hold
    }
}

fn clock(whose: &str, off: i64) -> String {
    let side = if off < 0 { "behind" } else { "ahead" };
    format!("clock of {whose} {} s {side}", off.abs())
}
