//! Which certificate a client is shown.

use std::io;

use rustls::{ALL_VERSIONS, AlertDescription, Error};

use super::handshakes;
use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::socket::shake_hands;
use crate::upstream::{Upstream, ok};

const FILES: [&str; 3] = ["first", "wildcard", "exact"];

async fn edge() -> Edge {
    let service = Upstream::start([ok("fine")]).await;
    let site = Site::new();
    site.write("wildcard", &["*.pay.test", "Mixed.Case.Test"]);
    site.write("exact", &["a.pay.test"]);
    Edge::secure(site, &FILES, &everything_to(&[service.address])).await
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let edge = edge().await;
    let site = edge.site.as_ref().unwrap();
    #[rustfmt::skip]
    let cases = [
        ("edge.test",       "first"),
        ("EDGE.test",       "first"),
        ("a.pay.test",      "exact"),
        ("b.pay.test",      "wildcard"),
        ("mixed.case.test", "wildcard"),
    ];
    for (name, file) in cases {
        let stream = shake_hands(edge.address(), site.visit(name)).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(shown, [site.certificate(file)], "{name}");
    }
    assert_eq!(handshakes(&edge, "ok").await, 5);
}

#[tokio::test]
async fn a_client_that_asks_for_no_name_is_shown_the_first_certificate() {
    let edge = edge().await;
    let site = edge.site.as_ref().unwrap();
    let visit = site.visit_with(ALL_VERSIONS, Site::FIRST, |config| {
        config.enable_sni = false
    });
    let stream = shake_hands(edge.address(), visit).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(shown, [site.certificate("first")]);
}

#[tokio::test]
async fn a_client_that_asks_for_a_name_nobody_has_is_refused_with_an_alert() {
    let edge = edge().await;
    let site = edge.site.as_ref().unwrap();
    for name in ["other.test", "pay.test", "a.b.pay.test", "test"] {
        let refused = shake_hands(edge.address(), site.visit(name)).await;
        let alert = Error::AlertReceived(AlertDescription::AccessDenied);
        assert_eq!(tls_error(&refused.unwrap_err()), Some(&alert), "{name}");
    }
    assert_eq!(handshakes(&edge, "failed").await, 4);
    assert_eq!(handshakes(&edge, "ok").await, 0);
}

pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
