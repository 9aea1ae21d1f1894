//! Certificates that are named by the file: which are taken, and which are taken with a warning.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tollgate_config::{Environment, Loaded, compile, effective, load};

use crate::certificates::{self, NOW, write_pair};
use crate::load::{gateway_of, load_text_in};

const REST: &str =
    "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\nroutes: [{ match: /a, to: web }]\n";

fn listener(tls: &str) -> String {
    format!("listen: [{{ address: 127.0.0.1:8443, tls: {tls} }}]\n{REST}")
}

fn pair(name: &str) -> String {
    format!("cert: tls/{name}.crt, key: tls/{name}.key")
}

fn load_listener(folder: &Path, tls: &str) -> Loaded {
    load_text_in(folder, &listener(tls)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn certificates_come_in_the_order_of_the_file_with_their_names_and_their_end() {
    let folder = certificates::folder();
    let tls = format!(
        "{{ {}, others: [{{ {} }}] }}",
        pair("again"),
        pair("tenants")
    );
    let loaded = load_listener(folder.path(), &tls);
    let certificates = &gateway_of(&loaded).listen[0]
        .tls
        .as_ref()
        .unwrap()
        .certificates;
    let names: Vec<_> = certificates.iter().map(|it| it.names.as_slice()).collect();
    assert_eq!(names, [["www.shop.example"], ["*.tenants.example"]]);
    assert_eq!(certificates[0].expires_unix_seconds, 2_524_608_000);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn a_chain_ends_with_the_first_of_its_certificates_that_does() {
    let folder = certificates::folder();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let chain = read("tls/shop.example.crt") + &read("tls/expired.crt");
    fs::write(folder.path().join("tls/shop.example.crt"), chain).unwrap();
    let loaded = load_listener(folder.path(), &format!("{{ {} }}", pair("shop.example")));
    let certificate = &gateway_of(&loaded).listen[0]
        .tls
        .as_ref()
        .unwrap()
        .certificates[0];
    assert_eq!(certificate.expires_unix_seconds, 1_735_689_600);
    assert_eq!(certificate.names, ["shop.example", "www.shop.example"]);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
}

#[test]
fn a_name_may_be_shown_by_several_listeners() {
    let folder = certificates::folder();
    let tls = pair("shop.example");
    let text = format!(
        "listen:\n- {{ address: 127.0.0.1:1, tls: {{ {tls} }} }}\n\
         - {{ address: 127.0.0.1:2, tls: {{ {tls} }} }}\n{REST}"
    );
    assert_eq!(
        gateway_of(&load_text_in(folder.path(), &text).unwrap())
            .listen
            .len(),
        2
    );
}

#[test]
fn paths_begin_at_the_folder_of_the_file() {
    let folder = certificates::folder();
    let path = folder.path().join("tollgate.yaml");
    fs::write(&path, listener(&format!("{{ {} }}", pair("shop.example")))).unwrap();
    load(&path, &Environment::of([], 2)).unwrap();
}

#[test]
fn what_clients_will_refuse_is_warned_of_and_not_refused() {
    let folder = certificates::folder();
    #[rustfmt::skip]
    let cases = [
        ("expired", "1:50: this certificate has expired",
         "since Wed, 01 Jan 2025 00:00:00 GMT clients refuse it"),
        ("early", "1:50: this certificate is not valid yet",
         "until Fri, 01 Jan 2027 00:00:00 GMT clients refuse it"),
    ];
    for (name, message, note) in cases {
        let loaded = load_listener(folder.path(), &format!("{{ {} }}", pair(name)));
        let [warning] = &*loaded.warnings else {
            panic!("{:?}", loaded.warnings);
        };
        let text = warning.to_string();
        assert!(text.contains(message) && text.contains(note), "{text}");
    }
}

#[test]
fn a_certificate_is_judged_by_the_time_it_is_loaded_at() {
    let folder = certificates::folder();
    write_pair(
        &folder.path().join("tls"),
        "short",
        &["a.example"],
        2025..2026,
    );
    let text = listener(&format!("{{ {} }}", pair("short")));
    for (unix_seconds, count) in [(NOW - 1, 0), (NOW, 0), (NOW + 1, 1)] {
        let environment = Environment::of([], 2).in_folder(folder.path());
        let loaded = compile("t.yaml", text.as_bytes(), &environment.at(unix_seconds)).unwrap();
        assert_eq!(loaded.warnings.len(), count, "{unix_seconds}");
    }
}

#[test]
fn a_key_that_everybody_can_read_is_warned_of() {
    let folder = certificates::folder();
    let key = folder.path().join("tls/shop.example.key");
    for (mode, count) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load_listener(folder.path(), &format!("{{ {} }}", pair("shop.example")));
        assert_eq!(loaded.warnings.len(), count, "{mode:o}");
    }
    let loaded = load_listener(folder.path(), &format!("{{ {} }}", pair("shop.example")));
    let text = loaded.warnings[0].to_string();
    assert!(
        text.contains("everybody on this machine can read this key"),
        "{text}"
    );
}

#[test]
fn a_key_is_shown_nowhere() {
    let folder = certificates::folder();
    let path = folder.path().join("tls/shop.example.key");
    let key = fs::read_to_string(&path).unwrap();
    let loaded = load_listener(folder.path(), &format!("{{ {} }}", pair("shop.example")));
    let other = fs::read_to_string(folder.path().join("tls/tenants.key")).unwrap();
    fs::write(&path, &other).unwrap();
    let text = listener(&format!("{{ {} }}", pair("shop.example")));
    let problems = load_text_in(folder.path(), &text).unwrap_err();
    let told = [
        format!("{loaded:?}"),
        effective(&loaded),
        format!("{problems} {problems:?}"),
    ];
    let lines = key
        .lines()
        .chain(other.lines())
        .filter(|line| !line.starts_with("--"));
    for line in lines.filter(|line| line.len() > 8) {
        for told in &told {
            assert!(!told.contains(line), "{told}");
        }
    }
}

#[test]
fn a_certificate_that_changes_or_appears_is_noticed() {
    let folder = certificates::folder();
    let tls = folder.path().join("tls");
    let text = listener(&format!("{{ {} }}", pair("shop.example")));
    let loaded = load_text_in(folder.path(), &text).unwrap();
    assert!(!loaded.files.have_changed());
    write_pair(&tls, "shop.example", &["shop.example"], 2000..2060);
    assert!(loaded.files.have_changed());

    let text = listener(&format!("{{ {} }}", pair("late")));
    let problems = load_text_in(folder.path(), &text).unwrap_err();
    assert!(!problems.files().have_changed());
    write_pair(&tls, "late", &["late.example"], 2000..2060);
    assert!(problems.files().have_changed());
}
