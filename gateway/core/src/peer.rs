//! Which peers are believed when they speak of a client behind them?

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::head::Head;

/// Whom a request comes from, as far as trusted peers tell: the first address on the way back that is not
/// one of theirs. What stands in front of it is the word of a stranger.
#[must_use]
pub fn client(head: &Head<'_>, peer: IpAddr, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let is_told = |name: &str| name.eq_ignore_ascii_case("x-forwarded-for");
    let fields = head.fields.iter().rev().filter(|field| is_told(field.name));
    let mut addresses = fields.flat_map(|field| field.value.rsplit(|byte| *byte == b','));
    let mut client = peer;
    while trusts(client)
        && let Some(before) = addresses.next().and_then(parse_address)
    {
        client = before;
    }
    client
}

/// Some proxies tell the port as well.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    text.parse().or_else(|_| with_port()).ok()
}

/// A range of addresses, `10.0.0.0/8`; a lone address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("not an IP address or a network such as 10.0.0.0/8")]
    Form,
    #[error("the prefix length is longer than the address")]
    Prefix,
    #[error("address bits are set behind the prefix")]
    HostBits,
}

impl Network {
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                (network.to_bits() ^ peer.to_bits()) & v4_mask(self.prefix_bits) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => {
                (network.to_bits() ^ peer.to_bits()) & v6_mask(self.prefix_bits) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(digits) => digits.parse().map_err(|_| NetworkError::Form)?,
            None => width,
        };
        if prefix_bits > width {
            return Err(NetworkError::Prefix);
        }
        let is_clean = match address {
            IpAddr::V4(v4) => v4.to_bits() & !v4_mask(prefix_bits) == 0,
            IpAddr::V6(v6) => v6.to_bits() & !v6_mask(prefix_bits) == 0,
        };
        if is_clean {
            Ok(Self {
                address,
                prefix_bits,
            })
        } else {
            Err(NetworkError::HostBits)
        }
    }
}

fn v4_mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn v6_mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        #[rustfmt::skip]
        let cases = [
            ("10.0.0.0/8",     "10.255.0.1",      true),
            ("10.0.0.0/8",     "11.0.0.1",        false),
            ("0.0.0.0/0",      "192.0.2.1",       true),
            ("127.0.0.1",      "127.0.0.1",       true),
            ("127.0.0.1",      "127.0.0.2",       false),
            ("10.0.0.0/8",     "::ffff:10.1.2.3", true),
            ("2001:db8::/32",  "2001:db8:1::1",   true),
            ("2001:db8::/32",  "2001:db9::1",     false),
            ("::/0",           "::1",             true),
            ("::/0",           "10.0.0.1",        false),
        ];
        for (network, peer, expected) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(peer.parse().unwrap()),
                expected,
                "{network:?} {peer}"
            );
        }
    }

    #[test]
    fn a_client_is_told_apart_behind_trusted_proxies_and_nowhere_else() {
        #[rustfmt::skip]
        let cases = [
            ("192.0.2.1", "X-Forwarded-For: 198.51.100.7\r\n",                       "192.0.2.1"),
            ("10.0.0.1",  "",                                                        "10.0.0.1"),
            ("10.0.0.1",  "X-Forwarded-For: 198.51.100.7\r\n",                       "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: 203.0.113.5, 198.51.100.7\r\n",          "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: 198.51.100.7,10.0.0.2\r\n",              "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: 203.0.113.5\r\nx-forwarded-for:198.51.100.7\r\n", "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: 198.51.100.7, 10.0.0.3, 10.0.0.2\r\n",   "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: 198.51.100.7:4711\r\n",                  "198.51.100.7"),
            ("10.0.0.1",  "X-Forwarded-For: [2001:db8::1]:4711\r\n",                 "2001:db8::1"),
            ("10.0.0.1",  "X-Forwarded-For: 198.51.100.7, unknown\r\n",              "10.0.0.1"),
            ("10.0.0.1",  "X-Forwarded-For:\r\n",                                    "10.0.0.1"),
            ("10.0.0.1",  "X-Forwarded-For: 10.0.0.2, 10.0.0.3\r\n",                 "10.0.0.2"),
        ];
        let proxies: Network = "10.0.0.0/8".parse().unwrap();
        for (peer, fields, expected) in cases {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
            let found = client(&head, peer.parse().unwrap(), |ip| proxies.contains(ip));
            assert_eq!(found.to_string(), expected, "{peer} {fields}");
        }
    }

    #[test]
    fn a_malformed_network_is_refused() {
        #[rustfmt::skip]
        let cases = [
            ("",             NetworkError::Form),
            ("10.0.0/8",     NetworkError::Form),
            ("10.0.0.0/x",   NetworkError::Form),
            ("10.0.0.0/33",  NetworkError::Prefix),
            ("10.0.0.1/8",   NetworkError::HostBits),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Network>(), Err(expected), "{text}");
        }
    }
}
