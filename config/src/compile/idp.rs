//! Can a gateway find the identity provider that it belongs to?
//!
//! Where the same file has a provider, what is left out is taken from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::path::Paths;
use super::provider::issuer;
use super::texts::{AUDIENCE, Texts};
use super::{Missing, check_reachable, redis};
use crate::bounds;
use crate::identity::Idp;
use crate::provider::Provider;
use crate::reader::{Field, Located, Reading};
use crate::units::{Address, Flag};
use crate::written;

const ISSUER: Missing = Missing {
    key: "issuer",
    example: "issuer: https://login.example.com",
};
const LISTEN: Missing = Missing {
    key: "listen",
    example: "listen: 127.0.0.1:8081",
};
const INTERNAL: Missing = Missing {
    key: "internal",
    example: "internal: 127.0.0.1:8082",
};
const KEY_FILE: Missing = Missing {
    key: "key_file",
    example: "key_file: ./data/gateway.key",
};

/// Of a gateway or of an issuer beside it.
pub(super) const TAKEN_AUDIENCE: Texts = Texts {
    count_max: 16,
    ..AUDIENCE
};

/// `provider` is the one in the same file.
pub(super) fn compile(
    file: &written::File,
    provider: Option<&Provider>,
    paths: &mut Paths<'_>,
) -> Option<Idp> {
    let reading = paths.reading();
    let Located { value: given, node } = file.idp.given()?;
    let issuer = compile_issuer(given, reading);
    // Another one may be meant, of which nothing is known here.
    let is_meant = |provider: &&Provider| match &given.issuer {
        Field::Absent | Field::Broken => true,
        Field::Given(issuer) => issuer.value.0 == provider.issuer,
    };
    let provider = provider.filter(is_meant);
    // Where it could not be read nothing of it can be missing.
    let is_lost = matches!(file.provider, Field::Broken);
    let of_issuer = issuer.as_deref().and_then(address_in);
    if provider.is_none() && !is_lost {
        ISSUER.check(&given.issuer, *node, reading);
        INTERNAL.check(&given.internal, *node, reading);
        KEY_FILE.check(&given.key_file, *node, reading);
        if of_issuer.is_none() {
            LISTEN.check(&given.listen, *node, reading);
        }
    }
    let [listen, internal] = [&given.listen, &given.internal]
        .map(|field| compile_address(field, &given.unencrypted, reading));
    let key_file = given.key_file.given();
    let key_file = key_file.map(|file| paths.take_text(&file.value.0, Some(file.node)));
    let redis = redis::compile(&given.redis, reading);
    let lease = bounds::LEASE.take(&given.lease, reading);
    let grace = bounds::GRACE.take(&given.grace, reading);
    if grace < lease {
        refuse_order(given, reading);
    }
    let cache = given.cache.value();
    let size = cache.map(|cache| bounds::VERDICT_CACHE.take(&cache.size, reading));
    let audience = TAKEN_AUDIENCE.take(&given.audience, reading);
    Some(Idp {
        issuer: issuer.or_else(|| provider.map(|it| it.issuer.clone()))?,
        listen: listen
            .or_else(|| provider.map(|it| as_seen_from_here(it.listen)))
            .or(of_issuer)?,
        internal: internal.or_else(|| provider.map(|it| as_seen_from_here(it.internal)))?,
        key_file: key_file.or_else(|| of_provider(provider))?,
        lease: lease.duration(),
        grace: grace.duration(),
        redis: redis.or_else(|| provider.and_then(|it| it.redis.clone())),
        audience,
        cache_bytes: size.unwrap_or(bounds::VERDICT_CACHE.default).get(),
    })
}

fn of_provider(provider: Option<&Provider>) -> Option<PathBuf> {
    provider.map(|provider| provider.gateway_key_file.clone())
}

fn compile_issuer(given: &written::Idp, reading: Reading<'_>) -> Option<String> {
    let Located { value, node } = given.issuer.given()?;
    if let Err(note) = issuer::split(&value.0) {
        let note = reading.note_on(*node, note);
        let finding = reading.find(*node, issuer::EXPECTED);
        reading.report.add(finding.note(note));
    }
    Some(value.0.clone())
}

fn compile_address(
    field: &Field<Address>,
    unencrypted: &Field<Flag>,
    reading: Reading<'_>,
) -> Option<SocketAddr> {
    let given = field.given()?;
    let address = given.value.0;
    check_reachable(address, given.node, "no identity provider can", reading);
    check_unencrypted(address, given, unencrypted, reading);
    Some(address)
}

/// What is said to another machine can be read and forged on its way there.
pub(super) fn check_unencrypted<T>(
    address: SocketAddr,
    at: &Located<T>,
    unencrypted: &Field<Flag>,
    reading: Reading<'_>,
) {
    let is_allowed = match unencrypted {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(flag) => flag.value.0,
    };
    // What means every interface is refused for that already.
    let ip = address.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() || is_allowed {
        return;
    }
    let message = "whoever listens on the way to this address could read and forge tokens";
    let note = "use a proxy on 127.0.0.1 that speaks TLS, or allow it with `unencrypted: true`";
    let finding = reading.find(at.node, message);
    reading.report.add(finding.note(note));
}

/// The address in `http://127.0.0.1:8081`.
fn address_in(issuer: &str) -> Option<SocketAddr> {
    let authority = issuer.strip_prefix("http://")?.split('/').next()?;
    authority.parse().ok()
}

/// What listens on every interface is reached on this machine's own.
fn as_seen_from_here(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listens.port())
}

fn refuse_order(given: &written::Idp, reading: Reading<'_>) {
    let message = "`grace` may not be shorter than `lease`";
    let (lease, grace) = (given.lease.given(), given.grace.given());
    let Some(blamed) = grace.or(lease) else {
        return;
    };
    let finding = reading.find(blamed.node, message);
    reading.report.add(match (grace, lease) {
        (Some(_), Some(lease)) => finding.other(reading.span(lease.node), "`lease`"),
        (Some(_), None) => finding.note(format!("`lease` is {} by default", bounds::LEASE.default)),
        (None, _) => finding.note(format!("`grace` is {} by default", bounds::GRACE.default)),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_an_issuer_that_is_one() {
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:8081",     Some("127.0.0.1:8081")),
            ("http://127.0.0.1:8081/a/b", Some("127.0.0.1:8081")),
            ("http://[::1]:8081",         Some("[::1]:8081")),
            ("http://127.0.0.1",          None),
            ("http://localhost:8081",     None),
            ("https://127.0.0.1:8081",    None),
            ("",                          None),
        ];
        for (issuer, expected) in cases {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(address_in(issuer), expected, "{issuer}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_reached_here() {
        for (listens, expected) in [
            ("0.0.0.0:81", "127.0.0.1:81"),
            ("[::]:81", "[::1]:81"),
            ("127.0.0.2:0", "127.0.0.2:0"),
            ("10.0.0.1:81", "10.0.0.1:81"),
        ] {
            let found = as_seen_from_here(listens.parse().unwrap());
            assert_eq!(found, expected.parse().unwrap(), "{listens}");
        }
    }
}
