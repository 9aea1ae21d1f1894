use super::super::values::Turn;
use super::*;

const WHOLE: &str = r#"
target: http://127.0.0.1:8080
protocol: h1
lasts: 30s
warm_up: 500ms
rate: { from: 100, to: 5000 }
arrivals: poisson
connections: { new: 8 }
threads: 2
timeout: 2s
seed: 7
values:
  member: { from: 1, to: 3 }
requests:
  - { name: browse, weight: 80, get: "/members/{member}", headers: { Authorization: Bearer x } }
  - { name: pay, weight: 20, post: /transfers, body: '{{"to":"{member}"}}', expect: [200, 201] }
stop: { errors: 5% }
watch: { gateway: { port: 8080 }, provider: { pid: 7 } }
"#;

fn parse(text: &str) -> Result<Scenario, Problems> {
    Scenario::parse("test.yaml", text, Path::new("."))
}

/// What is said of a whole scenario with one thing changed.
fn said(right: &str, wrong: &str) -> String {
    assert!(WHOLE.contains(right), "{right}");
    match parse(&WHOLE.replacen(right, wrong, 1)) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn text(request: &Planned, values: &Values, number: u64) -> String {
    let mut out = Vec::new();
    let turn = Turn { kind: 0, number };
    request
        .template
        .fill(values, turn, (&mut out, &mut Vec::new()));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_whole_scenario_is_read() {
    let scenario = parse(WHOLE).unwrap();
    assert_eq!(scenario.connections, Connections::New(8));
    assert_eq!(scenario.arrivals, Arrivals::Poisson);
    assert_eq!((scenario.rate.from, scenario.rate.to), (100.0, 5000.0));
    assert_eq!(scenario.errors_max, Some(0.05));
    assert_eq!(scenario.watch["gateway"], Watch::Port(8080));
    let [browse, pay] = scenario.requests.as_slice() else {
        panic!("{:?}", scenario.requests);
    };
    assert_eq!(
        text(browse, &scenario.values, 1),
        "GET /members/2 HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nauthorization: Bearer x\r\n\r\n"
    );
    assert_eq!(
        text(pay, &scenario.values, 2),
        "POST /transfers HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-length: 10\r\n\r\n{\"to\":\"3\"}"
    );
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    #[rustfmt::skip]
    let cases = [
        ("target: http://127.0.0.1:8080", "target: 127.0.0.1:8080",       "test.yaml:2:9: `target`"),
        ("target: http://127.0.0.1:8080", "target: http://127.0.0.1",     "2:9: `target`"),
        ("target: http://127.0.0.1:8080", "target: http://a.invalid:1",   "a host that is found"),
        ("target: http://127.0.0.1:8080", "target: https://127.0.0.1:1",  "tls: { ca: FILE }"),
        ("protocol: h1",                  "protocol: h3",                 "3:11: `protocol`"),
        ("protocol: h1",                  "streams: 2",                   "`streams` are a matter of"),
        ("protocol: h1",                  "protocol: h2",                 "connections are kept"),
        ("lasts: 30s",                    "lasts: 30",                    "4:8: `lasts`"),
        ("lasts: 30s",                    "lasts: 0s",                    "4:8: `lasts`"),
        ("lasts: 30s",                    "",                             "`lasts` is missing"),
        ("from: 100, to: 5000",           "from: -1, to: 5000",           "`rate.from`"),
        ("from: 100, to: 5000",           "from: 0, to: 0",               "`rate` is to be more"),
        ("from: 1, to: 3",                "from: 3, to: 1",               "`values.member`"),
        ("from: 1, to: 3",                "file: /nowhere/at/all",        "cannot be read"),
        ("get: \"/members/{member}\"",    "get: \"/members/{membre}\"",   "15:38: `requests[0].get`: there is no"),
        ("get: \"/members/{member}\"",    "get: \"members/{member}\"",    "`requests[0].get`"),
        ("post: /transfers",              "post: /a, put: /a",            "names one of"),
        ("Authorization: Bearer x",       "\"a b\": x",                   "no name of a field"),
        ("Authorization: Bearer x",       "Content-Length: 3",            "writes itself"),
        ("name: pay",                     "name: browse",                 "two requests have the name"),
        ("errors: 5%",                    "errors: 5",                    "`stop.errors`"),
        ("threads: 2",                    "thread: 2",                    "9:1: `thread` is not known"),
        ("{ pid: 7 }",                    "{ pid: 7, port: 7 }",          "by its `pid` or by"),
    ];
    for (right, wrong, expected) in cases {
        let said = said(right, wrong);
        assert!(said.contains(expected), "{wrong}: {said}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = WHOLE
        .replace("lasts: 30s", "lasts: soon")
        .replace("arrivals: poisson", "arrivals: late")
        .replace("weight: 20", "weight: 0")
        .replace("stop:", "stopp:");
    let said = parse(&text).unwrap_err().to_string();
    let lines: Vec<_> = said.lines().collect();
    let expected = [
        "`lasts`",
        "`arrivals`",
        "`requests[1].weight`",
        "`stopp`",
        "4 problems",
    ];
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_not_one_past_it() {
    #[rustfmt::skip]
    let cases = [
        ("lasts: 30s",          "lasts: 24h",            "lasts: 86401s"),
        ("warm_up: 500ms",      "warm_up: 24h",          "warm_up: 86401s"),
        ("timeout: 2s",         "timeout: 10m",          "timeout: 601s"),
        ("from: 100, to: 5000", "from: 0, to: 10000000", "from: 0, to: 10000001"),
        ("new: 8",              "new: 100000",           "new: 100001"),
        ("new: 8",              "new: 2",                "new: 1"),
        ("threads: 2",          "threads: 8",            "threads: 9"),
        ("weight: 20",          "weight: 10000",         "weight: 10001"),
        ("weight: 20",          "weight: 1",             "weight: 0"),
        ("[200, 201]",          "[200, 599]",            "[200, 600]"),
        ("[200, 201]",          "[200]",                 "[199]"),
        ("errors: 5%",          "errors: 100%",          "errors: 101%"),
        ("port: 8080",          "port: 65535",           "port: 65536"),
        ("pid: 7",              "pid: 4294967295",       "pid: 4294967296"),
    ];
    for (right, at, past) in cases {
        assert_eq!(said(right, at), "", "{at}");
        assert!(said(right, past).contains("1 problem,"), "{past}");
    }
    let threads = |count: u32| format!("threads: {count}\nconnections: 1000");
    let of = |count: u32| {
        WHOLE
            .replace("connections: { new: 8 }\n", "")
            .replace("threads: 2", &threads(count))
    };
    assert!(parse(&of(256)).is_ok());
    assert!(parse(&of(257)).is_err());
    let streams =
        |count: u32| of(1).replace("protocol: h1", &format!("protocol: h2\nstreams: {count}"));
    assert!(parse(&streams(1000)).is_ok());
    assert!(parse(&streams(1001)).is_err());
}

#[test]
fn lists_hold_as_much_as_they_may_and_not_one_more() {
    let requests = |count: usize| {
        let requests = (0..count).map(|at| format!("  - {{ name: r{at}, get: /a }}\n"));
        format!(
            "target: http://127.0.0.1:1\nlasts: 1s\nrate: 1\nrequests:\n{}",
            requests.collect::<String>()
        )
    };
    assert!(parse(&requests(1000)).is_ok());
    assert!(parse(&requests(1001)).is_err());
    let values = |count: usize| {
        let values = (0..count).map(|at| format!("  v{at}: {{ from: 1, to: 2 }}\n"));
        let uses = (0..count).map(|at| format!("{{v{at}}}"));
        format!(
            "target: http://127.0.0.1:1\nlasts: 1s\nrate: 1\nvalues:\n{}requests: [{{ name: a, get: \"/{}\" }}]\n",
            values.collect::<String>(),
            uses.collect::<String>()
        )
    };
    assert!(parse(&values(100)).is_ok());
    assert!(parse(&values(101)).is_err());
    let targets = |count: usize| {
        let requests = (1..count)
            .map(|at| format!("  - {{ name: r{at}, get: /a, at: \"http://127.0.0.1:{at}\" }}\n"));
        format!(
            "target: http://127.0.0.1:9000\nlasts: 1s\nrate: 1\nrequests:\n{}",
            requests.collect::<String>()
        )
    };
    assert_eq!(parse(&targets(10)).unwrap().targets.len(), 10);
    assert!(parse(&targets(11)).is_err());
    let watched = |count: usize| {
        let watched = (1..=count).map(|at| format!("  w{at}: {{ pid: {at} }}\n"));
        format!("{}watch:\n{}", requests(1), watched.collect::<String>())
    };
    assert!(parse(&watched(32)).is_ok());
    assert!(parse(&watched(33)).is_err());
}

#[test]
fn a_value_that_nothing_uses_is_a_mistake() {
    let said = said("  member:", "  other: { from: 1, to: 2 }\n  member:");
    assert!(
        said.contains("13:10: `values.other` is used by no request"),
        "{said}"
    );
}

const WITH_SECRETS: &str = "
target: http://127.0.0.1:8080
lasts: 1s
rate: 1
values:
  shop: { basic: shop, secret_file: secret }
  token: { login: \"http://127.0.0.1:8081/token\", client: shop, secret_file: secret, count: 100000, scope: a b }
requests:
  - { name: login, post: /token, at: \"http://127.0.0.1:8081\", headers: { Authorization: \"{shop}\" } }
  - { name: browse, get: /a, headers: { Authorization: \"Bearer {token}\" } }
revocations: { rate: 1000, of: token, at: \"http://127.0.0.1:8081/revoke\", probe: browse, within: 1s }
";

fn folder_of_secret() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "hush-hush\n").unwrap();
    folder
}

#[test]
fn tokens_and_secrets_are_read_and_never_shown() {
    let folder = folder_of_secret();
    let scenario = Scenario::parse("test", WITH_SECRETS, folder.path()).unwrap();
    assert_eq!(scenario.targets.len(), 2);
    assert_eq!(scenario.requests[0].target, 1);
    assert_eq!(scenario.logins[0].count, 100_000);
    assert_eq!(scenario.logins[0].path, "/token");
    let revocations = scenario.revocations.as_ref().unwrap();
    assert_eq!(
        (revocations.probe, revocations.path.as_str()),
        (1, "/revoke")
    );
    let shown = format!("{:?} {:?}", scenario.logins, scenario.revocations);
    assert!(!shown.contains("aHVzaC"), "{shown}");
}

#[test]
fn what_is_wrong_with_tokens_and_secrets_is_told_at_once_without_them() {
    let folder = folder_of_secret();
    let (text, parse) = (WITH_SECRETS, |text: &str| {
        Scenario::parse("test", text, folder.path())
    });
    #[rustfmt::skip]
    let cases = [
        ("count: 100000",          "count: 100001",         "`values.token.count`"),
        ("count: 100000, ",        "",                      "`values.token.count` is missing"),
        ("rate: 1000",             "rate: 1001",            "`revocations.rate`"),
        ("of: token",              "of: shop",              "`revocations.of`"),
        ("probe: browse",          "probe: brows",          "`revocations.probe`"),
        ("secret_file: secret }",  "secret_file: nothing }", "cannot be read"),
        ("  token: {",             "  unique: {",           "`unique` is there already"),
    ];
    for (right, wrong, expected) in cases {
        assert!(text.contains(right), "{right}");
        let said = parse(&text.replacen(right, wrong, 1))
            .unwrap_err()
            .to_string();
        assert!(said.contains(expected), "{wrong}: {said}");
        assert!(!said.contains("hush"), "{said}");
    }
    // One mistake hides no other.
    let wrong = text.replacen(
        "secret_file: secret, count: 100000",
        "secret_file: nothing, count: 0, cont: 1",
        1,
    );
    let said = parse(&wrong).unwrap_err().to_string();
    for expected in [
        "cannot be read",
        "`values.token.count` is 0",
        "`values.token.cont` is not known",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for (length, is_right) in [(4096, true), (4097, false)] {
        std::fs::write(folder.path().join("secret"), "x".repeat(length)).unwrap();
        assert_eq!(parse(text).is_ok(), is_right, "{length}");
    }
}
