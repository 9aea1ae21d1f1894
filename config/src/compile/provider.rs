//! May an identity provider run with what is written?

use std::net::SocketAddr;
use std::path::Path;

use idp_core::provider::LoginLifetimes;

use super::path::Paths;
use super::{Taken, may_clash, redis, take, threads};
use crate::bounds;
use crate::provider::{AuditLog, Provider, Signing, Store};
use crate::reader::{Field, Located, Reading};
use crate::units::{Address, Exposable, Time};
use crate::written;

mod client;
pub(super) mod issuer;
mod tenant;
mod user;

pub(super) fn compile(
    file: &written::File,
    taken: &mut Vec<Taken>,
    reading: Reading<'_>,
) -> Option<Provider> {
    let Located { value: given, node } = file.provider.given()?;
    let listen = compile_address(given, Exposable::Listen, taken, reading);
    let internal = compile_address(given, Exposable::Internal, taken, reading);
    let mut paths = Paths::new(reading);
    let (store, beside) = compile_store(&given.store, &mut paths, reading);
    let admin_key_file = paths.take(&given.admin_key_file, beside("admin.key"));
    let gateway_key_file = paths.take(&given.gateway_key_file, beside("gateway.key"));
    let audit_log = compile_audit_log(&given.audit_log, &beside("audit.log"), &mut paths);
    let ca_file = given.ca_file.given();
    let ca_file = ca_file.map(|file| paths.take_text(&file.value.0, Some(file.node)));
    let tenants = tenant::compile(&given.tenants, reading);
    let passwords = given.passwords.value();
    let at_once = passwords.map_or(bounds::PASSWORDS_AT_ONCE.default, |passwords| {
        bounds::PASSWORDS_AT_ONCE.take(&passwords.at_once, reading)
    });
    Some(Provider {
        issuer: issuer::compile(given, listen, *node, reading),
        listen,
        internal,
        threads: threads(file, reading),
        store,
        redis: redis::compile(&given.redis, reading),
        signing: compile_signing(&given.signing, reading),
        admin_key_file,
        gateway_key_file,
        audit_log,
        ca_file,
        login: compile_login(&given.login, reading),
        passwords_at_once: at_once.get(),
        clients: client::compile(&given.clients, &tenants, &mut paths),
        users: user::compile(&given.users, &tenants, &mut paths),
        tenants: tenants.ids,
    })
}

/// One of the two addresses; whoever reaches it can try passwords or keys there.
fn compile_address(
    provider: &written::Provider,
    which: Exposable,
    taken: &mut Vec<Taken>,
    reading: Reading<'_>,
) -> SocketAddr {
    let (field, default) = match which {
        Exposable::Listen => (&provider.listen, bounds::PROVIDER_ADDRESS),
        Exposable::Internal => (&provider.internal, bounds::INTERNAL_ADDRESS),
    };
    match field {
        Field::Absent => check_default(which, default, taken, reading),
        Field::Broken => {}
        Field::Given(address) => {
            check_exposure(address, which, &provider.exposed, reading);
            take(taken, address, reading);
            return address.value.0;
        }
    }
    default
}

fn check_exposure(
    address: &Located<Address>,
    which: Exposable,
    exposed: &Field<Vec<Field<Exposable>>>,
    reading: Reading<'_>,
) {
    let may_be_exposed = match exposed {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(words) => words.value.iter().any(|word| match word {
            Field::Given(word) => word.value == which,
            Field::Broken => true,
            Field::Absent => false,
        }),
    };
    if address.value.0.ip().to_canonical().is_loopback() || may_be_exposed {
        return;
    }
    let (message, word) = match which {
        Exposable::Listen => (
            "other machines could reach this address, which does not speak TLS by itself",
            "use 127.0.0.1 behind a proxy that does, or allow it with `exposed: [listen]`",
        ),
        Exposable::Internal => (
            "other machines could reach the address of gateways and operators",
            "use 127.0.0.1, or allow it with `exposed: [internal]`",
        ),
    };
    let finding = reading.find(address.node, message);
    reading.report.add(finding.note(word));
}

/// Where nothing is said of an address, something else may already stand on its default.
fn check_default(
    which: Exposable,
    default: SocketAddr,
    taken: &mut Vec<Taken>,
    reading: Reading<'_>,
) {
    let clash = taken.iter().find(|it| may_clash(it.address, default));
    if let Some(node) = clash.and_then(|it| it.node) {
        let word = match which {
            Exposable::Listen => "listen",
            Exposable::Internal => "internal",
        };
        let message = "the identity provider is already on this address by default";
        let note = format!("choose another, or move it with `provider: {{ {word}: ... }}`");
        reading.report.add(reading.find(node, message).note(note));
    }
    taken.push(Taken {
        address: default,
        node: None,
    });
}

/// The store, and what lies beside it.
fn compile_store(
    store: &Field<written::provider::Store>,
    paths: &mut Paths<'_>,
    reading: Reading<'_>,
) -> (Store, impl Fn(&str) -> String + use<>) {
    let absent = written::provider::Store::default();
    let store = store.value().unwrap_or(&absent);
    let text = store.path.value();
    let text = text.map_or(bounds::STORE_PATH, |text| text.0.as_str());
    let folder = Path::new(text).parent().unwrap_or(Path::new(""));
    let folder = folder.to_owned();
    let beside = move |name: &str| folder.join(name).to_string_lossy().into_owned();
    let compiled = Store {
        path: paths.take(&store.path, bounds::STORE_PATH),
        key_file: paths.take(&store.key_file, beside("idp.key")),
        cache_bytes_max: bounds::STORE_CACHE.take(&store.cache, reading).get_usize(),
        disk_free_bytes_min: bounds::DISK_FREE.take(&store.disk_free_min, reading).get(),
    };
    (compiled, beside)
}

fn compile_audit_log(
    field: &Field<written::provider::AuditLog>,
    default: &str,
    paths: &mut Paths<'_>,
) -> AuditLog {
    use written::provider::AuditLog as Written;
    let Some(Located { value, node }) = field.given() else {
        return AuditLog::File(paths.take_text(default, None));
    };
    match value {
        Written::Stderr => AuditLog::Stderr,
        Written::File(text) => AuditLog::File(paths.take_text(text, Some(*node))),
    }
}

fn compile_signing(signing: &Field<written::provider::Signing>, reading: Reading<'_>) -> Signing {
    let absent = written::provider::Signing::default();
    let signing = signing.value().unwrap_or(&absent);
    let algorithm = signing.algorithm.value();
    Signing {
        algorithm: algorithm.map_or(bounds::SIGNING_ALGORITHM, |algorithm| algorithm.0),
        rotate: bounds::ROTATE.take(&signing.rotate, reading).duration(),
    }
}

fn compile_login(login: &Field<written::provider::Login>, reading: Reading<'_>) -> LoginLifetimes {
    let absent = written::provider::Login::default();
    let login = login.value().unwrap_or(&absent);
    let idle = bounds::LOGIN_IDLE.take(&login.idle, reading);
    let absolute = bounds::LOGIN_ABSOLUTE.take(&login.absolute, reading);
    if idle > absolute {
        refuse_order(&login.idle, &login.absolute, reading);
    }
    LoginLifetimes {
        idle: idle.duration(),
        absolute: absolute.duration(),
    }
}

/// Nothing can be over for want of use after it is over anyhow.
fn refuse_order(idle: &Field<Time>, absolute: &Field<Time>, reading: Reading<'_>) {
    let message = "`idle` may not be longer than `absolute`";
    match (idle.given(), absolute.given()) {
        (Some(idle), Some(absolute)) => {
            let finding = reading.find(idle.node, message);
            let absolute = reading.span(absolute.node);
            reading.report.add(finding.other(absolute, "`absolute`"));
        }
        (Some(idle), None) => {
            let finding = reading.find(idle.node, message);
            let note = format!(
                "`absolute` is {} by default",
                bounds::LOGIN_ABSOLUTE.default
            );
            reading.report.add(finding.note(note));
        }
        (None, Some(absolute)) => {
            let finding = reading.find(absolute.node, message);
            let note = format!("`idle` is {} by default", bounds::LOGIN_IDLE.default);
            reading.report.add(finding.note(note));
        }
        (None, None) => {}
    }
}
