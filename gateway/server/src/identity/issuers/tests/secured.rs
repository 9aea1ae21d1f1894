use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tollgate_config::{Place, Roots};

use super::*;

struct Certified {
    certificate: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

/// A host that shows a certificate for this name.
fn certified(name: &str) -> Certified {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.clone()],
            PrivateKeyDer::Pkcs8(key.serialized_der().to_vec().into()),
        )
        .unwrap();
    Certified {
        certificate,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

#[tokio::test]
async fn keys_are_taken_only_from_a_host_that_is_vouched_for_by_its_name() {
    let signer = Signer::new("k");
    let (host, other) = (certified("127.0.0.1"), certified("other.example"));
    let by = |roots: &Certified| Roots::new(vec![roots.certificate.clone()]);
    let plain = None;
    #[rustfmt::skip]
    let cases = [
        (&host,  by(&host),  true),
        (&host,  by(&other), false),
        (&other, by(&other), false),
        (&host,  plain,      false),
    ];
    for (shown, roots, is_taken) in cases {
        let acceptor = Some(shown.acceptor.clone());
        let scripted = Scripted::start_with(Says::keys(&[&signer]), acceptor).await;
        let mut policy = issuer_by_keys("a", scripted.address);
        if let Proof::Keys { at, .. } = &mut policy.proof {
            *at = Place {
                roots: roots.clone(),
                ..at.clone()
            };
        }
        let issuer = one(&policy);
        let found = subject(issuer.identify(&signer.sign(&claims("a"))).await);
        let expected = if is_taken { good("ann") } else { unknown() };
        assert_eq!(found, expected, "{roots:?}");
    }
}

#[tokio::test]
async fn a_host_may_have_a_name() {
    let signer = Signer::new("k");
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let mut policy = issuer_by_keys("a", scripted.address);
    if let Proof::Keys { at, .. } = &mut policy.proof {
        at.host = "localhost".try_into().unwrap();
    }
    let issuer = one(&policy);
    assert_eq!(
        subject(issuer.identify(&signer.sign(&claims("a"))).await),
        good("ann")
    );
    let heard = scripted.heard().remove(0);
    let host = format!("host: localhost:{}\r\n", scripted.address.port());
    assert!(heard.contains(&host), "{heard}");
}
