use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::limits::Limits;
use crate::query::QueryCondition;
use crate::route::{FieldCondition, Matches, Methods};
use crate::sample;

use super::*;

/// `METHOD host/path [field=value | ?name=value | @level]…`, each of method and host `*` for any.
fn route(text: &str) -> Route {
    let mut words = text.split(' ');
    let methods = match words.next().unwrap() {
        "*" => Methods::Any,
        methods => Methods::parse(methods).unwrap(),
    };
    let target = words.next().unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap());
    let host = if host == "*" {
        HostPattern::Any
    } else {
        HostPattern::parse(host).unwrap()
    };
    let words: Vec<_> = words.collect();
    let level = words.iter().find_map(|word| word.strip_prefix('@'));
    let levels = [Level::Open, Level::Internal, Level::Private];
    let level = level.map(|level| levels.into_iter().find(|known| known.as_str() == level));
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let fields = words.iter().filter(|word| !word.starts_with(['?', '@']));
    let conditions = fields
        .map(|word| pair(word))
        .map(|(name, value)| FieldCondition {
            name: HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value: HeaderValue::from_str(&value).unwrap(),
        });
    let query = words.iter().filter_map(|word| word.strip_prefix('?'));
    let query = query
        .map(pair)
        .map(|(name, value)| QueryCondition { name, value });
    let any = sample::route(path);
    Route {
        name: Arc::from(text),
        level: level.map_or(Level::Open, Option::unwrap),
        matches: Matches {
            host,
            methods,
            conditions: conditions.collect(),
            query: query.collect(),
            ..any.matches
        },
        ..any
    }
}

fn table(routes: &[&str]) -> RouteTable {
    RouteTable::compile(routes.iter().map(|text| route(text)).collect()).unwrap()
}

fn find<'t>(
    table: &'t RouteTable,
    method: &str,
    host: &str,
    path: &str,
    fields: &str,
) -> Result<&'t str, Miss> {
    find_from(
        table,
        Level::Private,
        method,
        &format!("{host}{path}"),
        fields,
    )
}

fn find_from<'t>(
    table: &'t RouteTable,
    from: Level,
    method: &str,
    target: &str,
    fields: &str,
) -> Result<&'t str, Miss> {
    let (host, path) = target.split_at(target.find('/').unwrap());
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let origin = Origin {
        level: from,
        is_trusted: false,
    };
    table.find(&head, origin).map(|(_, route)| &*route.name)
}

#[test]
fn the_most_specific_path_wins() {
    let table = table(&[
        "* */{rest*}",
        "* */members/{id}",
        "* */members/me",
        "* */members/{id}/accounts",
        "* */members/{id}/{what}",
        "* */members",
        "* */money/{rest*}",
        "* */money/{a}/audit",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("/",                      "* */{rest*}"),
        ("/nothing/here",          "* */{rest*}"),
        ("/members",               "* */members"),
        ("/members/me",            "* */members/me"),
        ("/members/7",             "* */members/{id}"),
        ("/members/7/accounts",    "* */members/{id}/accounts"),
        ("/members/me/accounts",   "* */members/{id}/accounts"),
        ("/members/7/cards",       "* */members/{id}/{what}"),
        ("/members/7/cards/1",     "* */{rest*}"),
        ("/money",                 "* */money/{rest*}"),
        ("/money/",                "* */money/{rest*}"),
        ("/money/x/y/z",           "* */money/{rest*}"),
        ("/money/x/audit",         "* */money/{a}/audit"),
        ("/moneybags",             "* */{rest*}"),
    ];
    for (path, expected) in cases {
        assert_eq!(find(&table, "GET", "h", path, ""), Ok(expected), "{path}");
    }
}

#[test]
fn a_slash_at_the_end_is_no_way_around_a_route() {
    let table = table(&[
        "* */{rest*}",
        "* pay.example.com/admin",
        "GET */members",
        "* */members/{id}/accounts",
        "* */audit @private",
        "* */report/",
        "* */both",
        "* */both/",
        "* */money/{rest*}",
        "* */wide/{rest*}",
        "* */wide",
        "* */some x-mode=a",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("GET",  "h/members/",             None),
        ("HEAD", "h/members/",             None),
        // Without the slash it is let through as well.
        ("POST", "h/members/",             Some("* */{rest*}")),
        ("GET",  "h/members/7/accounts/",  None),
        ("GET",  "h/members/7/accounts/.", None),
        ("GET",  "h/members/7/accounts/x/..", None),
        ("GET",  "h/audit/",               None),
        ("GET",  "h/report",               None),
        ("GET",  "h/report/",              Some("* */report/")),
        ("GET",  "h/both",                 Some("* */both")),
        ("GET",  "h/both/",                Some("* */both/")),
        ("GET",  "h/money/",               Some("* */money/{rest*}")),
        ("GET",  "h/wide",                 Some("* */wide")),
        ("GET",  "h/wide/",                None),
        ("GET",  "h/wide/x/",              Some("* */wide/{rest*}")),
        ("GET",  "h/some/",                Some("* */{rest*}")),
        ("GET",  "pay.example.com/admin/", None),
        ("GET",  "h/admin/",               Some("* */{rest*}")),
        ("GET",  "h/",                     Some("* */{rest*}")),
    ];
    for (method, target, expected) in cases {
        let found = find_from(&table, Level::Open, method, target, "");
        assert_eq!(found, expected.ok_or(Miss::NoRoute), "{method} {target}");
    }
}

#[test]
fn capitals_are_no_way_around_a_route() {
    let table = table(&[
        "* */{rest*}",
        "GET */members/me",
        "* */members/{id}",
        "* */members/{id}/accounts",
        "* */audit/{rest*} @private",
        "* */Report",
        "* */both",
        "* */Both",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("GET",  "h/Members/7",           None),
        ("GET",  "h/members/Seven",       Some("* */members/{id}")),
        ("GET",  "h/members/ME",          None),
        ("GET",  "h/m%45mbers/7",         None),
        ("POST", "h/members/ME",          Some("* */members/{id}")),
        ("GET",  "h/MEMBERS/7/Accounts/", None),
        ("GET",  "h/members/7/ACCOUNTS",  None),
        ("GET",  "h/Audit/x",             None),
        ("GET",  "h/audit/x",             None),
        ("GET",  "h/report",              None),
        ("GET",  "h/Report",              Some("* */Report")),
        ("GET",  "h/both",                Some("* */both")),
        ("GET",  "h/Both",                Some("* */Both")),
        ("GET",  "h/BOTH",                None),
        ("GET",  "h/Other",               Some("* */{rest*}")),
    ];
    for (method, target, expected) in cases {
        let found = find_from(&table, Level::Open, method, target, "");
        assert_eq!(found, expected.ok_or(Miss::NoRoute), "{method} {target}");
    }
}

#[test]
fn what_may_be_read_in_two_ways_is_no_way_around_a_condition() {
    let table = table(&[
        "* */x ?all=true",
        "* */x",
        "* */z x-mode=all",
        "* */z",
        "* */v x-mode=a,b",
        "* */v",
        "* */{rest*}",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("/x?all=true",           "",                                Some("* */x ?all=true")),
        ("/x?all=true&all=true",  "",                                None),
        ("/x?all=no&al%6c=true",  "",                                None),
        ("/x?all=no&all=never",   "",                                Some("* */x")),
        ("/z",                    "X-Mode: all\r\n",                 Some("* */z x-mode=all")),
        ("/z",                    "X_Mode: all\r\n",                 None),
        ("/z",                    "X-Mode: all\r\nX-Mode: all\r\n",  None),
        ("/z",                    "X-Mode: one\r\nx.mode: all\r\n",  None),
        ("/z",                    "X-Mode: one\r\nX_Mode: two\r\n",  Some("* */z")),
        ("/z",                    "X_Mode: one\r\n",                 Some("* */z")),
        ("/z",                    "X-Mode: all, all\r\n",            None),
        ("/z",                    "X-Mode: one,all\r\n",             None),
        ("/z",                    "X-Mode: all\t, one\r\n",          None),
        ("/z",                    "X-Mode: all,\r\n",                None),
        ("/z",                    "X_Mode: one, all\r\n",            None),
        ("/z",                    "X-Mode: one, two\r\n",            Some("* */z")),
        ("/z",                    "X-Mode: overall, all2\r\n",       Some("* */z")),
        ("/v",                    "X-Mode: a,b\r\n",                 Some("* */v x-mode=a,b")),
        ("/v",                    "X-Mode: a,c\r\n",                 Some("* */v")),
        ("/y?all=true&all=true",  "X_Mode: all\r\n",                 Some("* */{rest*}")),
    ];
    for (path, fields, expected) in cases {
        let found = find(&table, "GET", "h", path, fields);
        assert_eq!(found, expected.ok_or(Miss::NoRoute), "{path} {fields:?}");
    }
}

#[test]
fn a_host_is_more_specific_than_any_path() {
    let table = table(&[
        "* */a/b",
        "* pay.example.com/{rest*}",
        "* *.example.com/a/{x}",
        "* *.eu.example.com/{rest*}",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("pay.example.com",      "/a/b",  "* pay.example.com/{rest*}"),
        ("PAY.example.com:8080", "/a/b",  "* pay.example.com/{rest*}"),
        ("x.example.com",        "/a/b",  "* *.example.com/a/{x}"),
        ("x.eu.example.com",     "/a/b",  "* *.eu.example.com/{rest*}"),
        ("example.com",          "/a/b",  "* */a/b"),
        ("evilexample.com",      "/a/b",  "* */a/b"),
    ];
    for (host, path, expected) in cases {
        assert_eq!(
            find(&table, "GET", host, path, ""),
            Ok(expected),
            "{host}{path}"
        );
    }
    // A host that has no route for the path falls back to the routes of all hosts.
    assert_eq!(
        find(&table, "GET", "x.example.com", "/b", ""),
        Err(Miss::NoRoute)
    );
}

#[test]
fn methods_and_conditions_narrow_what_a_route_takes() {
    let table = table(&[
        "GET */x",
        "PUT,PATCH */x",
        "GET */x x-canary=1",
        "GET */x x-canary=1 x-region=eu",
        "HEAD */y",
        "GET */y",
        "* */z",
        "POST */z",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("GET",     "/x", "",                                     "GET */x"),
        ("HEAD",    "/x", "",                                     "GET */x"),
        ("PATCH",   "/x", "X-Canary: 1\r\n",                      "PUT,PATCH */x"),
        ("GET",     "/x", "X-Canary: 1\r\n",                      "GET */x x-canary=1"),
        ("GET",     "/x", "X-Canary: 2\r\n",                      "GET */x"),
        ("GET",     "/x", "X-Canary: 2\r\nX-Canary: 2\r\n",       "GET */x"),
        ("GET",     "/x", "X-Region: eu\r\nX-Canary: 1\r\n",      "GET */x x-canary=1 x-region=eu"),
        ("HEAD",    "/y", "",                                     "HEAD */y"),
        ("GET",     "/y", "",                                     "GET */y"),
        ("POST",    "/z", "",                                     "POST */z"),
        ("DELETE",  "/z", "",                                     "* */z"),
    ];
    for (method, path, fields, expected) in cases {
        assert_eq!(
            find(&table, method, "h", path, fields),
            Ok(expected),
            "{method} {path} {fields:?}"
        );
    }
}

#[test]
fn query_conditions_narrow_what_a_route_takes() {
    let table = table(&[
        "POST */x",
        "POST */x ?dry-run=1",
        "POST */x ?dry-run=1 x-canary=1",
        "GET */{rest*}",
        "GET */y ?v=2",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("POST", "/x",                     "",                 "POST */x"),
        ("POST", "/x?dry-run=1",           "",                 "POST */x ?dry-run=1"),
        ("POST", "/x?a&dry%2Drun=%31",     "",                 "POST */x ?dry-run=1"),
        ("POST", "/x?dry-run=2&dry-run=3", "",                 "POST */x"),
        ("POST", "/x?dry-run=2",           "X-Canary: 1\r\n", "POST */x"),
        ("POST", "/x?dry-run=1",           "X-Canary: 1\r\n", "POST */x ?dry-run=1 x-canary=1"),
        ("GET",  "/y?v=2",                 "",                 "GET */y ?v=2"),
        ("GET",  "/y?v=1",                 "",                 "GET */{rest*}"),
    ];
    for (method, target, fields, expected) in cases {
        assert_eq!(
            find(&table, method, "h", target, fields),
            Ok(expected),
            "{method} {target}"
        );
    }
}

#[test]
fn a_listener_leads_to_its_own_level_and_those_further_out() {
    let table = table(&["GET */a", "GET */b @internal", "GET */c @private"]);
    #[rustfmt::skip]
    let cases = [
        (Level::Open,     [true, false, false]),
        (Level::Internal, [true, true,  false]),
        (Level::Private,  [true, true,  true]),
    ];
    for (from, expected) in cases {
        let found =
            ["h/a", "h/b", "h/c"].map(|target| match find_from(&table, from, "GET", target, "") {
                Ok(_) => true,
                Err(miss) => {
                    assert_eq!(miss, Miss::NoRoute, "{from:?} {target}");
                    false
                }
            });
        assert_eq!(found, expected, "{from:?}");
    }
}

#[test]
fn what_is_kept_inside_is_not_reached_by_a_less_specific_route() {
    let table = table(&[
        "* */money/{rest*}",
        "POST */money/adjustments @private",
        "GET */debug x-debug=1 @internal",
        "GET */debug",
        "* pay.example.com/{rest*} @private",
    ]);
    #[rustfmt::skip]
    let cases = [
        ("GET",  "h/money/adjustments",  "",                "* */money/{rest*}"),
        ("POST", "h/money/adjustments",  "",                ""),
        ("POST", "h/money/%61djustments", "",               ""),
        ("POST", "h/money/adjustments/", "",                ""),
        ("GET",  "h/debug",              "",                "GET */debug"),
        ("GET",  "h/debug",              "X-Debug: 1\r\n", ""),
        ("GET",  "pay.example.com/money/x", "",             ""),
    ];
    for (method, target, fields, expected) in cases {
        let found = find_from(&table, Level::Open, method, target, fields);
        assert_eq!(
            found.unwrap_or_default(),
            expected,
            "{method} {target} {fields:?}"
        );
    }
}

#[test]
fn methods_of_what_is_kept_inside_are_never_told() {
    let table = table(&[
        "DELETE */x @private",
        "GET */x",
        "PUT */x @internal",
        "POST */y @private",
    ]);
    let get = || {
        Err(Miss::Method {
            allowed: vec![Method::GET],
        })
    };
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            find_from(&table, Level::Open, method, "h/x", ""),
            get(),
            "{method}"
        );
    }
    for method in ["GET", "POST"] {
        assert_eq!(
            find_from(&table, Level::Open, method, "h/y", ""),
            Err(Miss::NoRoute),
            "{method}"
        );
    }
    let allowed = vec![Method::GET, Method::PUT];
    assert_eq!(
        find_from(&table, Level::Internal, "DELETE", "h/x", ""),
        Err(Miss::Method { allowed })
    );
}

#[test]
fn a_method_that_no_route_takes_is_told_apart_from_a_path_that_none_has() {
    let table = table(&["GET */x", "PUT,PATCH */x", "POST */{id}"]);
    let allowed = vec![Method::GET, Method::PUT, Method::PATCH, Method::POST];
    assert_eq!(
        find(&table, "DELETE", "h", "/x", ""),
        Err(Miss::Method { allowed })
    );
    assert_eq!(find(&table, "POST", "h", "/x", ""), Ok("POST */{id}"));
    assert_eq!(find(&table, "GET", "h", "/x/y", ""), Err(Miss::NoRoute));
}

/// The places of the routes that conflict.
type Pairs = &'static [(usize, usize)];

#[test]
fn routes_that_no_request_could_tell_apart_are_a_conflict() {
    #[rustfmt::skip]
    let cases: [(&[&str], Pairs); 18] = [
        (&["GET */x", "GET */x"],                            &[(0, 1)]),
        (&["GET */x/{a}", "GET */x/{b}"],                    &[(0, 1)]),
        (&["GET */x/{a*}", "GET */x/{b*}"],                  &[(0, 1)]),
        (&["GET,PUT */x", "PUT */x"],                        &[(0, 1)]),
        (&["* */x", "* */x"],                                &[(0, 1)]),
        (&["GET */x", "GET */x", "GET */x"],                 &[(0, 1), (0, 2)]),
        (&["GET */x a=1", "GET */x b=1"],                    &[(0, 1)]),
        (&["GET */x a=1", "GET */x a=2"],                    &[]),
        (&["GET */x ?a=1", "GET */x ?b=1"],                  &[(0, 1)]),
        (&["GET */x ?a=1", "GET */x a=1"],                   &[(0, 1)]),
        (&["GET */x ?a=1", "GET */x ?a=2"],                  &[]),
        (&["GET */x ?a=1 b=1", "GET */x ?a=1"],              &[]),
        (&["GET */x ?a=1 b=1", "GET */x ?a=1 b=2"],          &[]),
        (&["GET */x", "GET */x @private"],                   &[(0, 1)]),
        (&["GET */x", "PUT */x", "* */x"],                   &[]),
        (&["GET */x", "GET */x a=1"],                        &[]),
        (&["GET a.b/x", "GET *.b/x", "GET */x"],             &[]),
        (&["GET */x", "GET */x/{rest*}"],                    &[]),
    ];
    for (routes, expected) in cases {
        let compiled = RouteTable::compile(routes.iter().map(|text| route(text)).collect());
        let found = compiled.err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|c| (c.first, c.second)).collect();
        assert_eq!(found, expected, "{routes:?}");
    }
}

/// What the trie must agree with: try every route, take the one whose path is most specific.
fn find_slowly<'t>(patterns: &'t [String], path: &str) -> Option<&'t String> {
    let asked: Vec<_> = path[1..].split('/').collect();
    let mut matching: Vec<_> = patterns
        .iter()
        .filter_map(|pattern| Some((specificity(pattern, &asked)?, pattern)))
        .collect();
    matching.sort();
    matching.first().map(|(_, pattern)| *pattern)
}

fn specificity(pattern: &str, asked: &[&str]) -> Option<Vec<u8>> {
    let mut ranks = Vec::new();
    let mut asked = asked.iter();
    for wanted in pattern[1..].split('/') {
        if wanted == "{r*}" {
            ranks.push(2);
            return Some(ranks);
        }
        let segment = asked.next()?;
        match wanted {
            "{p}" if !segment.is_empty() => ranks.push(1),
            _ if wanted == *segment => ranks.push(0),
            _ => return None,
        }
    }
    asked.next().is_none().then_some(ranks)
}

proptest! {
    #[test]
    fn the_trie_agrees_with_trying_every_route(
        patterns in proptest::collection::btree_set("(/([ab]|\\{p\\})){1,3}", 1..12),
        rests in proptest::collection::btree_set("(/[ab]){0,2}/\\{r\\*\\}", 0..4),
        path in "(/[abc]){1,4}",
    ) {
        let all: Vec<String> = patterns
            .into_iter()
            .filter(|pattern| pattern.matches("{p}").count() <= 1)
            .chain(rests)
            .collect();
        let texts: Vec<_> = all.iter().map(|pattern| format!("* *{pattern}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let table = table(&texts);
        let found = find(&table, "GET", "h", &path, "").ok();
        let expected = find_slowly(&all, &path).map(|pattern| format!("* *{pattern}"));
        prop_assert_eq!(found, expected.as_deref());
    }
}
