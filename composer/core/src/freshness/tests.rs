use http::{HeaderName, HeaderValue};
use http_cache_semantics::{CacheOptions, CachePolicy};
use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    let mut fields = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        fields.append(name, value);
    }
    fields
}

fn cache(ttl: Duration) -> Cache {
    Cache {
        ttl,
        missing: Duration::ZERO,
        stale_while_revalidate: Duration::from_secs(30),
        stale_if_error: HOUR,
        bytes_max: 0,
    }
}

const NOW: u64 = 1_000;

fn judged(lines: &[(&str, &str)], scope: Scope) -> Result<Freshness, Unstorable> {
    let timing = Timing {
        requested: at(NOW - 2),
        answered: at(NOW),
    };
    judge(StatusCode::OK, &fields(lines), timing, scope, &cache(HOUR))
}

fn date(seconds: u64) -> String {
    date_text(at(seconds))
}

/// How long it is fresh, in seconds.
fn fresh(lines: &[(&str, &str)], scope: Scope) -> u64 {
    judged(lines, scope).unwrap().fresh.as_secs()
}

#[test]
fn the_shorter_of_what_is_said_and_what_is_configured_wins() {
    let own = Scope::Caller;
    // Two seconds passed on the way.
    assert_eq!(fresh(&[], own), 3_598);
    assert_eq!(fresh(&[("cache-control", "max-age=60")], own), 58);
    assert_eq!(fresh(&[("cache-control", "max-age=86400")], own), 3_600);
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), ("age", "50")], own),
        8
    );
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), ("age", "60")], own),
        0
    );
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), ("age", "nonsense")], own),
        58
    );
    // RFC 9111 section 5.1: the first counts.
    let twice = [
        ("cache-control", "max-age=60"),
        ("age", "50"),
        ("age", "10"),
    ];
    assert_eq!(fresh(&twice, own), 8);
    let late = date(NOW - 20);
    assert_eq!(
        fresh(&[("cache-control", "max-age=60"), ("date", &late)], own),
        40
    );
    let (now, end) = (date(NOW), date(NOW + 100));
    assert_eq!(fresh(&[("date", &now), ("expires", &end)], own), 98);
    // From its date on, whatever the time is here.
    for (sent, expected) in [(NOW - 50, 100), (NOW + 10, 88)] {
        let sent = date(sent);
        let found = fresh(&[("date", &sent), ("expires", &end)], own);
        assert_eq!(found, expected, "{sent}");
    }
    assert_eq!(fresh(&[("expires", "0")], own), 0);
    assert_eq!(
        fresh(&[("expires", "0"), ("cache-control", "max-age=60")], own),
        58
    );
    assert_eq!(fresh(&[("pragma", "no-cache")], own), 0);
    assert_eq!(
        fresh(&[("pragma", "no-cache"), ("cache-control", "public")], own),
        3_598
    );
}

type Case<'c> = (&'c [(&'c str, &'c str)], Scope, Option<Unstorable>);

#[test]
fn what_a_service_forbids_is_not_kept() {
    #[rustfmt::skip]
    let cases: [Case; 19] = [
        (&[("cache-control", "no-store")],              Scope::Caller, Some(Unstorable::NoStore)),
        (&[("cache-control", "max-age=60, No-Store")],  Scope::Caller, Some(Unstorable::NoStore)),
        (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], Scope::Caller,
            Some(Unstorable::NoStore)),
        (&[("cache-control", "x=\"no-store\"")],        Scope::Caller, None),
        (&[("cache-control", "x=\"a,no-store,b\"")],    Scope::Caller, None),
        (&[("cache-control", "x=\"\\\"\", no-store")],  Scope::Caller, Some(Unstorable::NoStore)),
        (&[("cache-control", "x=\"\\\", no-store, \\\"\"")], Scope::Caller, None),
        (&[("cache-control", "private")],               Scope::Caller, None),
        (&[("cache-control", "private")],               Scope::Shared, Some(Unstorable::Private)),
        (&[("cache-control", "PRIVATE=\"x\"")],         Scope::Shared, Some(Unstorable::Private)),
        (&[("cache-control", "public, max-age=1")],     Scope::Shared, None),
        (&[("set-cookie", "a=b")],                      Scope::Caller, Some(Unstorable::Cookie)),
        (&[("set-cookie", "a=b"), ("cache-control", "public")], Scope::Shared,
            Some(Unstorable::Cookie)),
        (&[("vary", "*")],                              Scope::Caller, Some(Unstorable::Varies)),
        (&[("vary", "Accept-Encoding, Origin")],        Scope::Caller, Some(Unstorable::Varies)),
        (&[("vary", "Accept-Encoding")],                Scope::Shared, None),
        (&[("vary", "accept, Authorization")],          Scope::Caller, None),
        (&[("vary", "authorization")],                  Scope::Shared, Some(Unstorable::Varies)),
        (&[("cache-control", "unknown=1,, ,=,max-age=5")], Scope::Shared, None),
    ];
    for (lines, scope, expected) in cases {
        assert_eq!(judged(lines, scope).err(), expected, "{lines:?}");
    }
    let timing = Timing {
        requested: at(0),
        answered: at(0),
    };
    for status in [201, 204, 206, 304, 404, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        let judged = judge(
            status,
            &HeaderMap::new(),
            timing,
            Scope::Caller,
            &cache(HOUR),
        );
        assert_eq!(judged, Err(Unstorable::Status));
    }
}

#[test]
fn a_directive_is_read_however_it_is_written() {
    let own = Scope::Caller;
    #[rustfmt::skip]
    let cases = [
        ("max-age=60",                   58),
        ("MAX-AGE=60",                   58),
        ("max-age=\"60\"",               58),
        ("max-age = 60",                 58),
        ("max-age=60,max-age=30",        28),
        ("max-age=30, max-age=60",       28),
        ("max-age=060",                  58),
        ("max-age",                      0),
        ("max-age=",                     0),
        ("max-age=-5",                   0),
        ("max-age=1.5",                  0),
        ("max-age=+5",                   0),
        ("max-age=abc",                  0),
        ("max-age=99999999999999999999", 3_600),
        ("no-cache, max-age=60",         0),
        ("no-cache=\"x\", max-age=60",   0),
        ("s-maxage=10, max-age=60",      58),
        ("immutable",                    3_598),
        (",,, max-age=60 ,,",            58),
    ];
    for (line, expected) in cases {
        assert_eq!(fresh(&[("cache-control", line)], own), expected, "{line}");
    }
    let line = [("cache-control", "s-maxage=10, max-age=60")];
    assert_eq!(fresh(&line, Scope::Shared), 8);
}

/// Section 1.2.2.
#[test]
fn more_seconds_than_may_be_said_are_as_many_as_may_be() {
    let most = Duration::from_secs(1 << 31);
    #[rustfmt::skip]
    let cases = [
        ("2147483647",            most - Duration::from_secs(1)),
        ("2147483648",            most),
        ("2147483649",            most),
        ("18446744073709551615",  most),
        ("18446744073709551616",  most),
    ];
    for (seconds, expected) in cases {
        let line = format!("max-age={seconds}");
        let control = Control::of(&fields(&[("cache-control", &line)]));
        assert_eq!(control.max_age, Some(expected), "{line}");
    }
}

#[test]
fn what_must_be_revalidated_is_never_used_stale() {
    let (while_fetched, if_error) = (Duration::from_secs(30), HOUR);
    let none = Duration::ZERO;
    #[rustfmt::skip]
    let cases = [
        ("max-age=60",                                  Scope::Shared, while_fetched, if_error),
        ("max-age=60, must-revalidate",                 Scope::Caller, none, none),
        ("max-age=60, no-cache",                        Scope::Caller, none, none),
        ("max-age=60, proxy-revalidate",                Scope::Shared, none, none),
        ("max-age=60, proxy-revalidate",                Scope::Caller, while_fetched, if_error),
        ("s-maxage=60",                                 Scope::Shared, none, none),
        ("max-age=60, stale-while-revalidate=5",        Scope::Shared, Duration::from_secs(5), if_error),
        ("max-age=60, stale-if-error=5",                Scope::Shared, while_fetched, Duration::from_secs(5)),
        ("max-age=60, stale-if-error=99999",            Scope::Shared, while_fetched, if_error),
    ];
    for (line, scope, while_fetched, if_error) in cases {
        let freshness = judged(&[("cache-control", line)], scope).unwrap();
        assert_eq!(freshness.stale_while_revalidate, while_fetched, "{line}");
        assert_eq!(freshness.stale_if_error, if_error, "{line}");
    }
}

#[test]
fn an_end_that_is_there_twice_with_another_meaning_is_past() {
    let (one, other) = (date(NOW + 100), date(NOW + 200));
    let own = Scope::Caller;
    assert_eq!(fresh(&[("expires", &one), ("expires", &one)], own), 98);
    assert_eq!(fresh(&[("expires", &one), ("expires", &other)], own), 0);
}

/// Lines on which our reader and the other one mean the same: where RFC 9111 leaves it open, or the
/// other one reads names by their case, they are left out.
fn any_lines() -> impl Strategy<Value = Vec<(String, String)>> {
    let seconds = 0..200_u64;
    let directive = prop_oneof![
        Just("public".to_owned()),
        Just("private".to_owned()),
        Just("no-store".to_owned()),
        Just("no-cache".to_owned()),
        Just("must-revalidate".to_owned()),
        Just("x-unknown".to_owned()),
        seconds.clone().prop_map(|it| format!("max-age={it}")),
        seconds.clone().prop_map(|it| format!("max-age=\"{it}\"")),
        seconds.clone().prop_map(|it| format!("s-maxage={it}")),
    ];
    let control = prop::collection::vec(directive, 0..4).prop_map(|mut directives| {
        let name = |it: &str| it.split('=').next().unwrap_or_default().to_owned();
        let mut seen = Vec::new();
        directives.retain(|it| {
            let is_new = !seen.contains(&name(it));
            seen.push(name(it));
            is_new
        });
        directives
    });
    let expires = prop::option::of(prop_oneof![
        (0..2_000_u64).prop_map(date),
        Just("0".to_owned()),
    ]);
    let (age, has_date) = (prop::option::of(0..100_u64), any::<bool>());
    let pragma = prop::option::of(Just("no-cache".to_owned()));
    let vary = prop::option::of(prop::sample::select(vec!["*", "accept-encoding"]));
    (control, expires, age, has_date, pragma, vary).prop_map(
        |(control, expires, age, has_date, pragma, vary)| {
            let mut lines = Vec::new();
            let mut push = |name: &str, value: String| lines.push((name.to_owned(), value));
            if !control.is_empty() {
                push("cache-control", control.join(", "));
            }
            expires.into_iter().for_each(|it| push("expires", it));
            age.into_iter().for_each(|it| push("age", it.to_string()));
            pragma.into_iter().for_each(|it| push("pragma", it));
            vary.into_iter().for_each(|it| push("vary", it.to_owned()));
            if has_date {
                push("date", date(NOW));
            }
            lines
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn what_is_said_is_understood_as_another_cache_does(lines in any_lines(), is_shared: bool) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
        let fields = fields(&lines);
        let request = http::Request::get("http://s/a").body(()).unwrap();
        let mut response = http::Response::new(());
        *response.headers_mut() = fields.clone();
        let options = CacheOptions { shared: is_shared, cache_heuristic: 0.0, ..CacheOptions::default() };
        let theirs = CachePolicy::new_options(&request, &response, at(NOW), options);

        let timing = Timing { requested: at(NOW), answered: at(NOW) };
        let scope = if is_shared { Scope::Shared } else { Scope::Caller };
        let year = cache(HOUR * 24 * 365);
        match judge(StatusCode::OK, &fields, timing, scope, &year) {
            Ok(ours) => {
                prop_assert!(theirs.is_storable());
                prop_assert_eq!(ours.said, theirs.time_to_live(at(NOW)));
            }
            Err(Unstorable::Varies) => prop_assert_eq!(theirs.time_to_live(at(NOW)), Duration::ZERO),
            Err(_) => prop_assert!(!theirs.is_storable()),
        }
    }

    #[test]
    fn no_line_is_too_strange_to_be_read(line in "[ -~\t]{0,60}", age in "[ -~]{0,20}") {
        let lines = [("cache-control", &*line), ("age", &*age), ("expires", &*line), ("vary", &*age)];
        if let Ok(freshness) = judged(&lines, Scope::Shared) {
            prop_assert!(freshness.fresh <= HOUR);
        }
    }
}
