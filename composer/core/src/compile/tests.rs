//! Bounds at their limit and one past it. What else can be wrong is tested where it can be pointed at:
//! in the files that the configuration refuses.

use std::fmt::Write as _;

use super::*;
use crate::declaration::Target;
use crate::sample::{self, batch, endpoint, rows, service, step, table, value};

fn messages(declaration: &Declaration) -> Vec<String> {
    let faults = compile(declaration).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.message).collect()
}

fn declaration(endpoint: crate::declaration::Endpoint) -> Declaration {
    Declaration {
        services: vec![service("s", false)],
        lookups: vec![
            batch("member", "GET s /members?ids={keys}", "id"),
            table("bank", "GET s /banks", "code"),
        ],
        endpoints: vec![endpoint],
    }
}

#[test]
fn a_chain_ends_at_the_cap_and_not_one_past_it() {
    let too_deep = "there are more than 3 calls one after the other";
    let chain = |length: usize, last: &str| {
        let call = |place: usize| match place {
            0 => "GET s /0".to_owned(),
            _ => format!("GET s /{place}/{{s{}.id}}", place - 1),
        };
        let steps = (0..length).map(|place| step(&format!("s{place}"), &call(place), None));
        declaration(endpoint(
            "GET /a",
            steps.collect(),
            vec![("x", value(last))],
        ))
    };
    #[rustfmt::skip]
    let cases = [
        (3, "s2.id",                          false),
        (4, "s3.id",                          true),
        (2, "member(s1.id).name",             false),
        (3, "member(s2.id).name",             true),
        (1, "member(member(s0.id).of).name",  false),
        (2, "member(member(s1.id).of).name",  true),
        // A table costs no call.
        (3, "bank(bank(s2.id).of).name",      false),
        (2, "bank(member(s1.id).bank).name",  false),
    ];
    for (length, last, is_refused) in cases {
        let expected = if is_refused { vec![too_deep] } else { vec![] };
        assert_eq!(messages(&chain(length, last)), expected, "{length} {last}");
    }
}

#[test]
fn calls_end_at_the_cap_and_not_one_past_it() {
    let list = |rows_max: usize| {
        let mut rows = rows("one.items", &["id"], &[("name", "member(id).name")]);
        rows.rows_max = rows_max;
        let answer = vec![("rows", Target::Rows(rows))];
        declaration(endpoint(
            "GET /a",
            vec![step("one", "GET s /one", None)],
            answer,
        ))
    };
    assert!(messages(&list(1_900)).is_empty());
    assert_eq!(messages(&list(1_901)), ["a request may cost 21 calls"]);
    let plan = compile(&list(1_900)).unwrap();
    assert_eq!(plan.endpoints[0].calls_worst(&plan.lookups), 20);
}

#[test]
fn names_and_objects_end_at_their_caps_and_not_one_past_them() {
    let named = |length: usize| {
        let name = "n".repeat(length);
        let steps = vec![step(&name, "GET s /one", None)];
        declaration(endpoint("GET /a", steps, vec![("x", value(&name))]))
    };
    assert!(messages(&named(63)).is_empty());
    assert_eq!(messages(&named(64)).len(), 1);
    let nested = |depth: usize| {
        let mut target = value("one");
        for _ in 0..depth {
            target = Target::Object(vec![("x".into(), target)]);
        }
        let steps = vec![step("one", "GET s /one", None)];
        declaration(endpoint("GET /a", steps, vec![("x", target)]))
    };
    assert!(messages(&nested(8)).is_empty());
    assert_eq!(messages(&nested(9)), ["objects are nested too deep"]);
}

#[test]
fn a_lookup_in_use_twice_is_one_join_and_in_another_list_another() {
    let joins = [
        ("a", "member(id).name"),
        ("b", "member(id).status"),
        ("c", "member(of).name"),
    ];
    let list = || Target::Rows(rows("one.items", &["id"], &joins));
    let answer = vec![("x", list()), ("y", list()), ("z", value("member(one.id)"))];
    let steps = vec![step("one", "GET s /one", None)];
    let mut endpoint = endpoint("GET /a", steps, answer);
    endpoint.calls_max = 22;
    let plan = compile(&declaration(endpoint)).unwrap();
    let endpoint = &plan.endpoints[0];
    assert_eq!(endpoint.joins.len(), 5);
    assert!(endpoint.joins.iter().all(|join| join.round == 2));
    assert_eq!(endpoint.lists[0].names.len(), 2, "each member is read once");
}

#[test]
fn the_endpoint_of_a_path_is_the_one_with_the_earlier_literal() {
    let mut declaration = declaration(endpoint(
        "GET /a/{b}",
        vec![step("one", "GET s /1", None)],
        vec![("x", value("one"))],
    ));
    for name in ["GET /a/b", "GET /{a}/b", "GET /a/{b}/c", "GET /"] {
        let name = if name == "GET /" { "GET /only" } else { name };
        let mut other = declaration.endpoints[0].clone();
        other.name = name.into();
        declaration.endpoints.push(other);
    }
    let plan = compile(&declaration).unwrap();
    type Found = Option<(&'static str, &'static [&'static str])>;
    #[rustfmt::skip]
    let cases: [(&str, Found); 8] = [
        ("/a/b",      Some(("GET /a/b", &[]))),
        ("/a/x",      Some(("GET /a/{b}", &["x"]))),
        ("/x/b",      Some(("GET /{a}/b", &["x"]))),
        ("/a/x%2f/c", Some(("GET /a/{b}/c", &["x%2f"]))),
        ("/only",     Some(("GET /only", &[]))),
        ("/x/y",      None),
        ("/a/",       None),
        ("a/b",       None),
    ];
    for (path, expected) in cases {
        let found = plan
            .route(path)
            .map(|(id, params)| (&*plan.endpoints[id.0].name, params));
        assert_eq!(
            found,
            expected.map(|(name, params)| (name, params.to_vec())),
            "{path}"
        );
    }
}

#[test]
fn everything_that_is_wrong_is_found_in_one_run() {
    let mut all = sample::history();
    all.lookups[0].key = None;
    all.lookups[1].call = "GET nowhere /banks".into();
    all.endpoints[0].steps[0].call = "GET remittance /r/{balance.x}".into();
    all.endpoints[0].steps[1].call = "GET money /m/{history.x}/{nobody}".into();
    all.endpoints[0]
        .answer
        .push(("cursor".into(), value("histori.next")));
    let mut told = String::new();
    for message in messages(&all) {
        writeln!(told, "{message}").unwrap();
    }
    let expected = "\
this lookup needs a `key`
there is no service `nowhere`
there is no step or parameter `nobody`
two things would be called `cursor`
there is no step or parameter `histori`
these steps wait for each other
these steps wait for each other
";
    assert_eq!(told, expected);
}
