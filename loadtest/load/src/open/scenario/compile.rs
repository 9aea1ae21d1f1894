//! The keys of a scenario, one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::super::schedule::{Arrivals, Rate};
use super::fields::{Field, Fields};
use super::request::Around;
use super::target::{Target, Tls};
use super::units::{parse_duration, parse_percent};
use super::value::Named;
use super::{Connections, Planned, Protocol, Revocations, Scenario, Watch};

const RATE_MAX: f64 = 10_000_000.0;
const LASTS_MAX: Duration = Duration::from_secs(24 * 3600);
const TIMEOUT_MAX: Duration = Duration::from_secs(600);
const CONNECTIONS_MAX: u64 = 100_000;
const STREAMS_MAX: u64 = 1000;
const THREADS_MAX: u64 = 256;
const REQUESTS_MAX: usize = 1000;
const WATCHED_MAX: usize = 32;
const REVOCATIONS_MAX: f64 = 1000.0;
const TIMEOUT: Duration = Duration::from_secs(10);
const WITHIN: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;
const A_DURATION: &str = "a number with its unit, such as `500ms`, `30s` or `2m`";

/// `None` where something is missing that was noted.
pub(super) fn compile(mut fields: Fields<'_>, name: &str, folder: &Path) -> Option<Scenario> {
    let protocol = protocol(&mut fields);
    let is_h2 = matches!(protocol, Some(Protocol::Http2 { .. }));
    let tls = fields.find("tls").map(|field| Tls::read(&field, folder));
    let tls = tls.map(Option::unwrap_or_default);
    let target = fields.need("target", "`http://` or `https://` and a host with its port");
    let target = target.and_then(|it| Target::read(&it, tls.as_ref(), is_h2));
    let pace = pace(&mut fields);
    let threads = fields.find("threads");
    let threads = threads.map_or(Some(1), |it| it.count(THREADS_MAX));
    let connections = connections(&mut fields, (threads, is_h2));
    let values = fields.find("values");
    let named = values.map_or(Named::default(), |it| {
        Named::read(&it, folder, tls.as_ref())
    });
    let mut around = Around {
        named: &named,
        tls: tls.as_ref(),
        // Where there is none nothing is run, but all requests are read.
        targets: vec![target.clone().unwrap_or_else(Target::nowhere)],
        is_h2,
    };
    let requests = requests(&mut fields, &mut around);
    let targets = around.targets;
    let revocations = fields.find("revocations");
    let revocations = revocations.map(|it| {
        let requests = requests.as_deref().unwrap_or_default();
        revocations_of(&it, requests, (&named, tls.as_ref()))
    });
    let errors_max = fields.find("stop").map(|it| stop(&it));
    let watch = fields
        .find("watch")
        .map_or(Some(BTreeMap::new()), |it| watch(&it));
    fields.finish();
    target?;
    let pace = pace?;
    let Named { values, logins } = named;
    Some(Scenario {
        name: name.to_owned(),
        targets,
        protocol: protocol?,
        warm_up: pace.warm_up,
        rate: pace.rate,
        arrivals: pace.arrivals,
        connections: connections?,
        threads: threads?,
        seed: pace.seed,
        timeout: pace.timeout,
        requests: requests?,
        revocations: revocations.map_or(Some(None), |it| it.map(Some))?,
        errors_max: errors_max.map_or(Some(None), |it| it.map(Some))?,
        watch: watch?,
        values,
        logins,
    })
}

/// When requests are due, and how long they are waited for.
struct Pace {
    warm_up: Duration,
    rate: Rate,
    arrivals: Arrivals,
    timeout: Duration,
    seed: u64,
}

fn pace(fields: &mut Fields<'_>) -> Option<Pace> {
    let lasts = fields.need("lasts", A_DURATION);
    let lasts = lasts.and_then(|it| duration(&it, LASTS_MAX));
    let warm_up = optional_duration(fields, "warm_up", LASTS_MAX, Duration::ZERO);
    let timeout = optional_duration(fields, "timeout", TIMEOUT_MAX, TIMEOUT);
    let rate = fields.need("rate", "requests per second");
    let rate = rate.and_then(|it| rates(&it, RATE_MAX));
    let arrivals = fields
        .find("arrivals")
        .map_or(Some(Arrivals::Even), |it| arrivals(&it));
    let seed = fields
        .find("seed")
        .map_or(Some(1), |it| it.number(0, u64::MAX));
    let (from, to) = rate?;
    Some(Pace {
        warm_up: warm_up?,
        rate: Rate {
            from,
            to,
            lasts: lasts?,
        },
        arrivals: arrivals?,
        timeout: timeout?,
        seed: seed?,
    })
}

fn protocol(fields: &mut Fields<'_>) -> Option<Protocol> {
    let streams = fields.find("streams");
    let count = streams.as_ref().map(|it| it.count(STREAMS_MAX));
    let Some(protocol) = fields.find("protocol") else {
        if let Some(streams) = streams {
            streams.complain("`streams` are a matter of `protocol: h2`");
        }
        return Some(Protocol::Http1);
    };
    let is_h2 = protocol.read("`h1` or `h2`", |text| match text {
        "h1" => Some(false),
        "h2" => Some(true),
        _ => None,
    })?;
    match (is_h2, streams) {
        (false, Some(streams)) => {
            streams.complain("`streams` are a matter of `protocol: h2`");
            None
        }
        (false, None) => Some(Protocol::Http1),
        (true, _) => Some(Protocol::Http2 {
            streams: count.unwrap_or(Some(1))?,
        }),
    }
}

fn requests(fields: &mut Fields<'_>, around: &mut Around<'_>) -> Option<Vec<Planned>> {
    let expected = "a list of requests, at least one";
    let field = fields.need("requests", expected)?;
    let items = field.items(expected)?;
    if items.is_empty() || items.len() > REQUESTS_MAX {
        field.complain("`requests` is to be a list of 1 to 1,000 requests");
        return None;
    }
    let planned: Vec<_> = items.iter().map(|item| around.read(item)).collect();
    let planned = planned.into_iter().collect::<Option<Vec<_>>>()?;
    let mut names: Vec<_> = planned.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    if let Some([twice, _]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        field.complain(&format!("two requests have the name `{twice}`"));
    }
    check_use(fields, &planned, around.named);
    Some(planned)
}

/// A value that no request has a gap for is a mistake in the name of one.
fn check_use(fields: &mut Fields<'_>, requests: &[Planned], named: &Named) {
    let Some(values) = fields.find("values") else {
        return;
    };
    let Some(values) = values.fields("names") else {
        return;
    };
    for (name, value) in values.all() {
        let place = named.values.find(name);
        let is_used = requests.iter().any(|it| it.template.uses(place));
        if !is_used {
            value.complain(&format!("`{}` is used by no request", value.name()));
        }
    }
}

fn connections(
    fields: &mut Fields<'_>,
    (threads, is_h2): (Option<usize>, bool),
) -> Option<Connections> {
    let Some(field) = fields.find("connections") else {
        let count = CONNECTIONS.max(threads.unwrap_or(1));
        return Some(Connections::Kept(count));
    };
    let connections = if field.is_section() {
        let mut section = field.fields("a number, or `{ new: 64 }`")?;
        let count = section.need("new", "a number");
        section.finish();
        Connections::New(count?.count(CONNECTIONS_MAX)?)
    } else {
        Connections::Kept(field.count(CONNECTIONS_MAX)?)
    };
    let (Connections::Kept(count) | Connections::New(count)) = connections;
    if count < threads? {
        field.complain("each thread needs a connection of its own, at least");
    }
    if is_h2 && matches!(connections, Connections::New(_)) {
        field.complain("with `protocol: h2` connections are kept");
    }
    Some(connections)
}

fn rates(field: &Field<'_>, most: f64) -> Option<(f64, f64)> {
    let expected = &format!("requests per second, up to {most:.0}");
    let read = |field: &Field<'_>| {
        field.read(expected, |text| {
            let rate: f64 = text.parse().ok()?;
            (0.0..=most).contains(&rate).then_some(rate)
        })
    };
    let (from, to) = if field.is_section() {
        let mut section = field.fields(expected)?;
        let from = section.need("from", expected).and_then(|it| read(&it));
        let to = section.need("to", expected).and_then(|it| read(&it));
        section.finish();
        (from?, to?)
    } else {
        let rate = read(field)?;
        (rate, rate)
    };
    if from + to == 0.0 {
        field.complain(&format!("`{}` is to be more than nothing", field.name()));
        return None;
    }
    Some((from, to))
}

fn arrivals(field: &Field<'_>) -> Option<Arrivals> {
    field.read("`even` or `poisson`", |text| match text {
        "even" => Some(Arrivals::Even),
        "poisson" => Some(Arrivals::Poisson),
        _ => None,
    })
}

fn duration(field: &Field<'_>, most: Duration) -> Option<Duration> {
    let expected = format!("{A_DURATION}, up to {} s", most.as_secs());
    field.read(&expected, |text| {
        let duration = parse_duration(text)?;
        (!duration.is_zero() && duration <= most).then_some(duration)
    })
}

fn optional_duration(
    fields: &mut Fields<'_>,
    key: &'static str,
    most: Duration,
    otherwise: Duration,
) -> Option<Duration> {
    let field = fields.find(key);
    field.map_or(Some(otherwise), |it| duration(&it, most))
}

fn stop(field: &Field<'_>) -> Option<f64> {
    let mut fields = field.fields("`{ errors: 5% }`")?;
    let errors = fields.need("errors", "a share such as `5%`");
    fields.finish();
    errors?.read("a share such as `5%`", parse_percent)
}

fn watch(field: &Field<'_>) -> Option<BTreeMap<String, Watch>> {
    let fields = field.fields("names, each with a `{ pid: 1 }` or `{ port: 1 }`")?;
    if fields.all().count() > WATCHED_MAX {
        fields.complain("more than 32 processes are watched");
        return None;
    }
    let watched = fields.all().map(|(name, value)| {
        let mut section = value.fields("`{ pid: 1 }` or `{ port: 1 }`")?;
        let (process, port) = (section.find("pid"), section.find("port"));
        section.finish();
        let watch = match (process, port) {
            (Some(process), None) => {
                let id = process.number(1, u64::from(u32::MAX))?;
                Watch::Process(u32::try_from(id).ok()?)
            }
            (None, Some(port)) => Watch::Port(u16::try_from(port.number(1, 65_535)?).ok()?),
            (_, _) => {
                value.complain("a process is told by its `pid` or by a `port` that it listens on");
                return None;
            }
        };
        Some((name.to_owned(), watch))
    });
    let watched: Vec<_> = watched.collect();
    watched.into_iter().collect()
}

fn revocations_of(
    field: &Field<'_>,
    requests: &[Planned],
    (named, tls): (&Named, Option<&Tls>),
) -> Option<Revocations> {
    let mut fields = field.fields("`{ rate: 5, of: token, at: URL, probe: browse }`")?;
    let rate = fields.need("rate", "tokens per second");
    let rate = rate.and_then(|it| rates(&it, REVOCATIONS_MAX));
    let expected = "a value that says `login`";
    let login = fields.need("of", expected).and_then(|it| {
        let logins = &named.logins;
        it.read(expected, |name| logins.iter().find(|it| it.value == name))
    });
    let at = fields.need("at", "where tokens are taken back");
    let at = at.and_then(|it| Target::read_url(&it, tls));
    let expected = "the name of a request";
    let probe = fields.need("probe", expected).and_then(|it| {
        it.read(expected, |name| {
            requests.iter().position(|it| it.name == name)
        })
    });
    let within = optional_duration(&mut fields, "within", TIMEOUT_MAX, WITHIN);
    fields.finish();
    let (per_second, to) = rate?;
    if (per_second - to).abs() > f64::EPSILON {
        field.complain("`revocations.rate` is one number");
    }
    let (target, path) = at?;
    Some(Revocations {
        per_second,
        login: login?.clone(),
        target,
        path: path.to_owned(),
        probe: probe?,
        within: within?,
    })
}
