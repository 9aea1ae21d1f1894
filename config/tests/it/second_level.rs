//! How long a second level may take at most: less than a quarter of the time of whoever waits for it.

use std::time::Duration;

use crate::load::{gateway_of, load_text};

/// A lookup whose service has so long, asked for by an endpoint with this budget.
fn file(service: &str, kept: &str, budget: &str, timeout: &str) -> String {
    format!(
        "
services: {{ membership: {{ endpoints: [\"127.0.0.1:1\"], credential: none, {service} }} }}
lookups:
  member:
    get_many: GET membership /members?ids={{keys}}
    key: memberId
    cache: {{ shared: true, {kept} }}
second_level: {{ redis: redis://127.0.0.1:6379, {timeout} }}
endpoints:
  - GET /a/{{id}}: {{ {budget}, steps: {{}}, answer: {{ name: member(id).name }} }}
"
    )
}

#[test]
fn a_second_level_may_take_less_than_a_quarter_of_the_time_and_no_more() {
    let there = "second_level: true";
    let refreshed = "second_level: true, stale_while_revalidate: 1s";
    #[rustfmt::skip]
    let cases = [
        // The calls of a request have all of its budget but two milliseconds.
        ("timeout: 30s",  there,     "budget: 1s",    "timeout: 249ms", Ok(249)),
        ("timeout: 30s",  there,     "budget: 1s",    "timeout: 250ms", Err(("998ms", "250ms", "249ms"))),
        ("timeout: 30s",  there,     "max_calls: 20", "timeout: 250ms", Err(("998ms", "250ms", "249ms"))),
        ("timeout: 30s",  there,     "budget: 1002ms", "timeout: 250ms", Err(("1s", "250ms", "249ms"))),
        ("timeout: 30s",  there,     "budget: 1003ms", "timeout: 250ms", Ok(250)),
        ("timeout: 30s",  there,     "budget: 83ms",  "",                Ok(20)),
        ("timeout: 30s",  there,     "budget: 82ms",  "",                Err(("80ms", "20ms", "19ms"))),
        // A refresh has the time of one call. Without one the service may be as quick as it likes.
        ("timeout: 150ms", refreshed, "budget: 1s",   "timeout: 37ms",  Ok(37)),
        ("timeout: 150ms", refreshed, "budget: 1s",   "timeout: 38ms",  Err(("150ms", "38ms", "37ms"))),
        ("timeout: 150ms", there,     "budget: 1s",   "timeout: 38ms",  Ok(38)),
        ("timeout: 200ms", refreshed, "budget: 1s",   "timeout: 49ms",  Ok(49)),
        ("timeout: 200ms", refreshed, "budget: 1s",   "timeout: 50ms",  Err(("200ms", "50ms", "49ms"))),
        // Whoever has the least counts.
        ("timeout: 200ms", refreshed, "budget: 99ms", "timeout: 25ms",  Err(("97ms", "25ms", "24ms"))),
        ("timeout: 90ms",  refreshed, "budget: 99ms", "timeout: 25ms",  Err(("90ms", "25ms", "22ms"))),
    ];
    for (service, kept, budget, timeout, expected) in cases {
        let case = format!("{service}, {kept}, {budget}, {timeout}");
        match (load_text(&file(service, kept, budget, timeout)), expected) {
            (Ok(loaded), Ok(milliseconds)) => {
                let level = gateway_of(&loaded).second_level.as_ref().unwrap();
                assert_eq!(level.timeout, Duration::from_millis(milliseconds), "{case}");
            }
            (Err(problems), Err((whole, given, most))) => {
                let told = problems.to_string();
                let message = format!("expected less than a quarter of {whole}, and not {given}");
                assert!(told.contains(&message), "{case}\n{told}");
                assert!(
                    told.contains(&format!("at most {most}: ")),
                    "{case}\n{told}"
                );
            }
            (Ok(_), Err(_)) => panic!("it loads: {case}"),
            (Err(problems), Ok(_)) => panic!("{case}\n{problems}"),
        }
    }
}
