//! Every number of the file: its least and its most, and what it is when nobody says.
//!
//! Nothing is unbounded and nothing is "none": a number outside its bounds is refused with them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use gateway_core::limits::HEAD_BYTES_CEILING;
use idp_token::value::Algorithm;

use crate::reader::{Field, Reading};
use crate::units::{Count, Percent, Size, Time};

pub(crate) const LISTEN_ADDRESS: SocketAddr = loopback(8080);
pub(crate) const ADMIN_ADDRESS: SocketAddr = loopback(9090);
pub(crate) const PROVIDER_ADDRESS: SocketAddr = loopback(8081);
pub(crate) const INTERNAL_ADDRESS: SocketAddr = loopback(8082);

/// Threads have no default here: it is the number of cores.
pub(crate) const THREADS: Range<Count> = range(Count(1), Count(1_024));

pub(crate) const CONNECTIONS: Bounds<Count> = range(Count(1), Count(1_000_000)).or(Count(10_000));
/// On one HTTP/2 connection.
pub(crate) const STREAMS: Bounds<Count> = range(Count(1), Count(1_000)).or(Count(100));
pub(crate) const HEAD: Bounds<Size> =
    range(Size::bytes(256), Size::bytes(HEAD_BYTES_CEILING as u64)).or(Size::kib(32));
pub(crate) const TARGET: Bounds<Size> =
    range(Size::bytes(64), Size::bytes(HEAD_BYTES_CEILING as u64)).or(Size::kib(8));
pub(crate) const FIELDS: Bounds<Count> = range(Count(1), Count(1_000)).or(Count(100));
pub(crate) const BODY: Bounds<Size> = range(Size::bytes(0), Size::tib(1)).or(Size::mib(1));

/// Of one service among those that a route leads to.
pub(crate) const WEIGHT: Range<Count> = range(Count(1), Count(1_000));

/// For what moves money, unless `limits.body` is smaller.
pub(crate) const TRANSFER_BODY: Size = Size::kib(64);

const SHORT: Time = Time::milliseconds(10);
const HOUR: Time = Time::minutes(60);
const DAY: Time = days(1);

pub(crate) const HANDSHAKE: Bounds<Time> = range(SHORT, Time::minutes(5)).or(Time::seconds(10));
pub(crate) const HEAD_DEADLINE: Bounds<Time> = range(SHORT, Time::minutes(5)).or(Time::seconds(10));
pub(crate) const IDLE: Bounds<Time> = range(SHORT, HOUR).or(Time::seconds(60));
pub(crate) const STALL: Bounds<Time> = range(SHORT, HOUR).or(Time::seconds(30));
pub(crate) const WEBSOCKET: Bounds<Time> = range(SHORT, DAY).or(Time::minutes(5));
/// `0s` stops accepting at once.
pub(crate) const LAME_DUCK: Bounds<Time> =
    range(Time::seconds(0), Time::minutes(10)).or(Time::seconds(2));
pub(crate) const DRAIN: Bounds<Time> = range(SHORT, HOUR).or(Time::seconds(30));

pub(crate) const TIMEOUT: Bounds<Time> = range(Time::milliseconds(1), HOUR).or(Time::seconds(30));
pub(crate) const CONNECT_TIMEOUT: Bounds<Time> =
    range(Time::milliseconds(1), Time::minutes(1)).or(Time::seconds(1));
pub(crate) const IDLE_TIMEOUT: Bounds<Time> = range(SHORT, HOUR).or(Time::seconds(60));
pub(crate) const IN_FLIGHT: Bounds<Count> = range(Count(1), Count(1_000_000)).or(Count(4_096));
pub(crate) const PROBE_EVERY: Bounds<Time> = range(SHORT, HOUR).or(Time::seconds(2));
/// Of the path of a probe.
pub(crate) const PROBE_PATH_CHARS_MAX: usize = 1_000;

/// Of all requests.
pub(crate) const SAMPLE: Bounds<Percent> =
    range(Percent::whole(0), Percent::whole(100)).or(Percent::whole(1));
/// Of a certificate with its chain, or of a key.
pub(crate) const PEM_MAX: Size = Size::kib(256);

pub(crate) const STORE_PATH: &str = "./data/idp.redb";
pub(crate) const STORE_CACHE: Bounds<Size> = range(Size::mib(1), Size::tib(1)).or(Size::mib(16));
pub(crate) const DISK_FREE: Bounds<Size> = range(Size::mib(16), Size::tib(1)).or(Size::mib(64));
pub(crate) const SIGNING_ALGORITHM: Algorithm = Algorithm::Es256;
/// A key signs for longer than what it signed lives.
pub(crate) const ROTATE: Bounds<Time> = range(HOUR, days(365)).or(days(30));
pub(crate) const LOGIN_IDLE: Bounds<Time> = range(Time::minutes(1), days(30)).or(Time::minutes(15));
pub(crate) const LOGIN_ABSOLUTE: Bounds<Time> =
    range(Time::minutes(1), days(90)).or(Time::minutes(12 * 60));
pub(crate) const PASSWORDS_AT_ONCE: Bounds<Count> = range(Count(1), Count(256)).or(Count(2));
/// A token that lives longer would keep old keys alive as long.
pub(crate) const ACCESS: Range<Time> = range(Time::seconds(10), days(1));
pub(crate) const SESSION_IDLE: Range<Time> = range(Time::minutes(1), days(90));
pub(crate) const SESSION_ABSOLUTE: Range<Time> = range(Time::minutes(1), days(365));
/// Beats come every 100 ms, and three that are missing are no reason for alarm yet.
pub(crate) const LEASE: Bounds<Time> =
    range(Time::milliseconds(300), Time::minutes(1)).or(Time::seconds(1));
/// A token that services see lives for ten minutes, and nothing can be served past its end.
pub(crate) const GRACE: Bounds<Time> =
    range(Time::milliseconds(300), Time::minutes(10)).or(Time::seconds(60));
pub(crate) const VERDICT_CACHE: Bounds<Size> = range(Size::mib(1), Size::tib(1)).or(Size::mib(64));
/// Of what is known of tokens of other issuers.
pub(crate) const MAX_AGE: Bounds<Time> = range(Time::seconds(1), HOUR).or(Time::seconds(60));
/// With more than this, somebody is warned who lets others move money.
pub(crate) const TRANSFER_MAX_AGE: Time = Time::seconds(60);
/// Of a composed answer.
pub(crate) const BUDGET: Bounds<Time> = range(SHORT, Time::minutes(5)).or(Time::seconds(1));
/// By default as many as the composer has for one.
pub(crate) const CALLS: Range<Count> = range(Count(1), Count(100));
pub(crate) const ROWS: Bounds<Count> = range(Count(1), Count(10_000)).or(Count(500));
pub(crate) const BATCH: Bounds<Count> = range(Count(1), Count(1_000)).or(Count(100));
pub(crate) const BATCH_URL: Bounds<Size> = range(Size::bytes(256), Size::kib(32)).or(Size::kib(4));
pub(crate) const TTL: Bounds<Time> = range(Time::seconds(1), days(30)).or(Time::seconds(60));
pub(crate) const MISSING: Bounds<Time> = range(Time::seconds(0), HOUR).or(Time::seconds(0));
/// Past the time of what is kept.
pub(crate) const STALE: Bounds<Time> = range(Time::seconds(0), days(7)).or(Time::seconds(0));
pub(crate) const ENTITY_CACHE: Bounds<Size> = range(Size::kib(64), Size::tib(1)).or(Size::mib(16));
/// For a question that the service can answer too.
pub(crate) const SECOND_LEVEL: Bounds<Time> =
    range(Time::milliseconds(1), Time::seconds(1)).or(Time::milliseconds(20));
/// Of tables.
pub(crate) const REFRESH: Bounds<Time> = range(Time::seconds(1), DAY).or(Time::seconds(60));
pub(crate) const RELOAD: Bounds<Time> = range(Time::minutes(1), days(30)).or(HOUR);
pub(crate) const TABLE_SIZE: Bounds<Size> =
    range(Size::kib(64), Size::mib(1_024)).or(Size::mib(16));
pub(crate) const DELETED: &str = "deleted";
/// Of Redis, or of another issuer.
pub(crate) const PASSWORD_FILE_MAX: Size = Size::kib(4);
pub(crate) const ISSUER_BYTES_MAX: usize = 256;
pub(crate) const PATH_BYTES_MAX: usize = 1_024;

/// Entries of one list; past these a file is generated wrongly rather than large.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Of one listener, beside its first.
pub(crate) const CERTIFICATES_MAX: usize = 1_000;
pub(crate) const PROXIES_MAX: usize = 1_000;
pub(crate) const SERVICES_MAX: usize = 5_000;
pub(crate) const ENDPOINTS_MAX: usize = 1_000;
pub(crate) const ROUTES_MAX: usize = 20_000;
pub(crate) const SHARES_MAX: usize = 16;
pub(crate) const ISSUERS_MAX: usize = 64;
pub(crate) const LOOKUPS_MAX: usize = 1_000;
pub(crate) const COMPOSED_MAX: usize = 1_000;
/// More than these are registered through the admin API.
pub(crate) const TENANTS_MAX: usize = 1_000;
pub(crate) const CLIENTS_MAX: usize = 1_000;
pub(crate) const USERS_MAX: usize = 1_000;
/// Each is looked for in the query of every request whose path and method match.
pub(crate) const QUERY_MAX: usize = 16;

/// The least and the most a number may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<T> {
    pub(crate) least: T,
    pub(crate) most: T,
}

/// A range with a default inside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<T> {
    pub(crate) least: T,
    pub(crate) most: T,
    pub(crate) default: T,
}

/// What a bounded number is called in messages.
pub(crate) trait Measure: Copy + PartialOrd + fmt::Display {
    const NOUN: &'static str;
    const BELOW: &'static str;
    const ABOVE: &'static str;
}

impl<T: Measure> Range<T> {
    /// The number of a field if there is one within bounds.
    pub(crate) fn find(&self, field: &Field<T>, reading: Reading<'_>) -> Option<T> {
        let given = field.given()?;
        let note = if given.value < self.least {
            T::BELOW
        } else if given.value > self.most {
            T::ABOVE
        } else {
            return Some(given.value);
        };
        let (least, most) = (grouped(self.least), grouped(self.most));
        let message = format!("expected {} between {least} and {most}", T::NOUN);
        reading
            .report
            .add(reading.find(given.node, message).note(note));
        None
    }
}

impl<T: Measure> Bounds<T> {
    /// For a key whose default is written elsewhere.
    pub(crate) fn as_range(&self) -> Range<T> {
        range(self.least, self.most)
    }

    /// The number of a field, or the default. A number that is refused is the default too: it is
    /// reported, so nobody will ever run with it.
    pub(crate) fn take(&self, field: &Field<T>, reading: Reading<'_>) -> T {
        self.as_range().find(field, reading).unwrap_or(self.default)
    }
}

impl<T: Copy> Range<T> {
    const fn or(self, default: T) -> Bounds<T> {
        Bounds {
            least: self.least,
            most: self.most,
            default,
        }
    }
}

const fn range<T: Copy>(least: T, most: T) -> Range<T> {
    Range { least, most }
}

const fn days(count: u64) -> Time {
    Time::minutes(count * 24 * 60)
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// `1000000` as `1,000,000`; what has a unit stays as it is.
pub(crate) fn grouped(number: impl fmt::Display) -> String {
    let text = number.to_string();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Measure for Count {
    const NOUN: &'static str = "a number";
    const BELOW: &'static str = "this is too small";
    const ABOVE: &'static str = "this is too large";
}

impl Measure for Percent {
    const NOUN: &'static str = "a share";
    const BELOW: &'static str = "this is too small";
    const ABOVE: &'static str = "this is too large";
}

impl Measure for Size {
    const NOUN: &'static str = "a size";
    const BELOW: &'static str = "this is too small";
    const ABOVE: &'static str = "this is too large";
}

impl Measure for Time {
    const NOUN: &'static str = "a duration";
    const BELOW: &'static str = "this is too short";
    const ABOVE: &'static str = "this is too long";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(Count(number)), expected);
        }
        assert_eq!(grouped(Size::kib(1000)), "1000KiB");
    }
}
