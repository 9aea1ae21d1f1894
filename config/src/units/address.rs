//! Addresses to listen on and to call, and networks of peers.
//!
//! Host names are refused: what a name means can change while the gateway runs, and a look-up can
//! hang. `localhost` is the one name whose meaning is fixed (RFC 6761 §6.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use gateway_core::peer;

use crate::reader::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// Peers by address: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) peer::Network);

impl Scalar for Address {
    const EXPECTED: &'static str = "an IP address and a port such as `127.0.0.1:8080`";

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        if let Some(port) = text
            .strip_prefix("localhost:")
            .and_then(|port| port.parse().ok())
        {
            return Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        Err(why_not_an_address(text))
    }
}

fn why_not_an_address(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("://") {
        let rest = rest.trim_end_matches('/');
        return format!("leave out the scheme: `{rest}`");
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("put the address in brackets and add a port: `[{text}]:8080`");
    }
    if text.parse::<IpAddr>().is_ok() || text == "localhost" {
        return format!("the port is missing: `{text}:8080`");
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("the address is missing: `127.0.0.1:{text}`");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return "host names are not looked up: write the IP address and a port".to_owned();
    };
    if port.parse::<u16>().is_err() {
        return "the port is a number up to 65535".to_owned();
    }
    match host {
        "" | "*" => format!("write `127.0.0.1:{port}`, or `0.0.0.0:{port}` for every interface"),
        _ if host.contains(['/', '@']) => "only an address and a port, nothing else".to_owned(),
        _ => "host names are not looked up: write the IP address".to_owned(),
    }
}

impl Scalar for Network {
    const EXPECTED: &'static str = "a network such as `10.0.0.0/8`, or one IP address";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: peer::NetworkError| match error {
                peer::NetworkError::Form => String::new(),
                peer::NetworkError::Prefix | peer::NetworkError::HostBits => error.to_string(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        #[rustfmt::skip]
        let cases = [
            ("127.0.0.1:80",       Ok("127.0.0.1:80")),
            ("[::1]:80",           Ok("[::1]:80")),
            ("localhost:80",       Ok("127.0.0.1:80")),
            ("127.0.0.1",          Err("the port is missing: `127.0.0.1:8080`")),
            ("localhost",          Err("the port is missing: `localhost:8080`")),
            ("::1",                Err("put the address in brackets and add a port: `[::1]:8080`")),
            ("8080",               Err("the address is missing: `127.0.0.1:8080`")),
            (":80",                Err("write `127.0.0.1:80`, or `0.0.0.0:80` for every interface")),
            ("http://10.0.0.1:80/", Err("leave out the scheme: `10.0.0.1:80`")),
            ("money:80",           Err("host names are not looked up: write the IP address")),
            ("money",              Err("host names are not looked up: write the IP address and a port")),
            ("127.0.0.1:http",     Err("the port is a number up to 65535")),
            ("127.0.0.1:65536",    Err("the port is a number up to 65535")),
            ("10.0.0.1/x:80",      Err("only an address and a port, nothing else")),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|text| Address(text.parse().unwrap()));
            assert_eq!(
                Address::parse(text),
                expected.map_err(str::to_owned),
                "{text}"
            );
        }
    }
}
