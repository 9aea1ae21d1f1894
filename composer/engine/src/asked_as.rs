//! Under which name is a listener for operators asked?
//!
//! What is shown there without a credential could also be read by a page whose name is lent its address (DNS
//! rebinding): the browser of an operator then asks under that name. Nobody can lend an address, or
//! `localhost`, so that a listener for this machine alone answers to these. Where other machines reach it, its
//! names are not known.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HOST;

/// What is told to whoever asks under another name.
pub const MISDIRECTED: &str = "ask under an IP address or localhost\n";

/// Whether a request names this machine. Probes that name nothing are no browsers.
#[must_use]
pub fn is_asked_as_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    hosts.all(|host| host.to_str().is_ok_and(is_of_this_machine))
}

fn is_of_this_machine(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || address.unwrap_or(name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_localhost_are_of_this_machine_and_no_other_name() {
        #[rustfmt::skip]
        let cases = [
            ("localhost",              true),
            ("LocalHost:9090",         true),
            ("127.0.0.1",              true),
            ("10.1.2.3:9090",          true),
            ("[::1]",                  true),
            ("[::1]:9090",             true),
            ("localhost.",             false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example:127",       false),
            ("evil.example",           false),
            ("127.1",                  false),
            ("gateway",                false),
            ("[evil]",                 false),
            (":9090",                  false),
            ("",                       false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_of_this_machine(host), expected, "{host}");
        }
    }
}
