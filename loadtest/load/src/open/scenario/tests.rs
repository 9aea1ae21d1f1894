use super::*;

const WHOLE: &str = r#"
target: http://127.0.0.1:8080
lasts: 30s
warm_up: 500ms
rate: { from: 100, to: 5000 }
arrivals: poisson
connections: { new: 8 }
threads: 2
timeout: 2s
values:
  member: { from: 1, to: 3 }
requests:
  - { name: browse, weight: 80, get: "/members/{member}", headers: { Authorization: Bearer x } }
  - { name: pay, weight: 20, post: /transfers, body: '{{"to":"{member}"}}', expect: [200, 201] }
stop: { errors: 5% }
"#;

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse("test", text, Path::new("."))
}

fn text(request: &Planned, values: &Values, turn: u64) -> String {
    let mut out = Vec::new();
    request.template.fill(values, turn, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_whole_scenario_is_read() {
    let scenario = parse(WHOLE).unwrap();
    assert_eq!(scenario.connections, Connections::New(8));
    assert_eq!(scenario.arrivals, Arrivals::Poisson);
    assert_eq!((scenario.rate.from, scenario.rate.to), (100.0, 5000.0));
    assert_eq!(scenario.errors_max, Some(0.05));
    let [browse, pay] = scenario.requests.as_slice() else {
        panic!("{:?}", scenario.requests);
    };
    assert_eq!(
        text(browse, &scenario.values, 1),
        "GET /members/2 HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nAuthorization: Bearer x\r\n\r\n"
    );
    assert_eq!(
        text(pay, &scenario.values, 2),
        "POST /transfers HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-length: 10\r\n\r\n{\"to\":\"3\"}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    #[rustfmt::skip]
    let cases = [
        ("target: http://127.0.0.1:8080", "target: 127.0.0.1:8080",       "`target`"),
        ("lasts: 30s",                    "lasts: 30",                    "`lasts`"),
        ("from: 100, to: 5000",           "from: -1, to: 5000",           "`rate`"),
        ("from: 100, to: 5000",           "from: 0, to: 0",               "`rate`"),
        ("new: 8",                        "new: 0",                       "`connections`"),
        ("threads: 2",                    "threads: 257",                 "`threads`"),
        ("from: 1, to: 3",                "from: 3, to: 1",               "`values.member`"),
        ("get: \"/members/{member}\"",    "get: \"/members/{membre}\"",   "`requests[0].get`"),
        ("weight: 20",                    "weight: 10001",                "`requests[1].weight`"),
        ("post: /transfers",              "post: /a, put: /a",            "`requests[1].get`"),
        ("errors: 5%",                    "errors: 5",                    "`stop.errors`"),
        ("threads: 2",                    "thread: 2",                    "not as it is to be"),
    ];
    for (right, wrong, named) in cases {
        assert!(WHOLE.contains(right), "{right}");
        let error = parse(&WHOLE.replacen(right, wrong, 1)).unwrap_err();
        assert!(error.to_string().contains(named), "{wrong}: {error}");
    }
}

#[test]
fn a_value_that_nothing_uses_is_a_mistake() {
    let text = WHOLE.replace("  member:", "  other: { from: 1, to: 2 }\n  member:");
    assert!(matches!(parse(&text), Err(ScenarioError::Unused(name)) if name == "other"));
}
