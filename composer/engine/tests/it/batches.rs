//! Records by their keys, over sockets: how many calls, what is remembered, what is never mixed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use composer_core::declaration::{Endpoint, Lookup, LookupSource, Target};
use composer_core::keys::ChunkMax;
use composer_core::plan::{Cache, Scope};
use composer_engine::Stale;
use tokio::sync::Notify;

use crate::service::{Asked, Reply, Service, json, with};
use crate::site::{Draft, LONG, Site, batch, cache, endpoint, rows, step, text};

/// A list whose ids come from the path, `1,2,3`, each with the name of a member.
fn list() -> Endpoint {
    endpoint(
        "GET /list/{ids}",
        vec![step("list", "GET lists /list?ids={ids}")],
        vec![(
            "rows",
            rows("list", &["id"], &[("name", "member(id).name")]),
        )],
    )
}

/// The same of at most 40 rows.
fn short_list() -> Endpoint {
    let mut endpoint = list();
    for (_, target) in &mut endpoint.answer {
        if let Target::Rows(rows) = target {
            rows.rows_max = 40;
        }
    }
    endpoint
}

async fn lists() -> Service {
    Service::start(|asked| {
        let ids = asked.list("ids").into_iter();
        let rows: Vec<_> = ids.map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
        json(format!("[{}]", rows.join(",")))
    })
    .await
}

fn members(asked: &Asked, version: usize) -> String {
    let rows = asked
        .list("ids")
        .into_iter()
        .filter(|id| !id.starts_with("nobody"));
    let rows = rows.map(|id| {
        format!("{{\"memberId\":\"{id}\",\"name\":\"{id} of {version}\",\"version\":{version}}}")
    });
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn lookup(change: impl FnOnce(&mut Cache)) -> Lookup {
    let mut cache = cache();
    change(&mut cache);
    Lookup {
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 100,
                url_bytes: 4096,
            },
            cache: Some(cache),
        },
        ..batch("member", "GET members /members?ids={keys}", "memberId")
    }
}

fn draft(lists: &Service, members: &Service, lookup: Lookup) -> Draft {
    Draft::new()
        .service("lists", &[lists.address])
        .open_service("members", &[members.address])
        .lookup(lookup)
        .endpoint(list())
}

fn named(names: &[(&str, Option<&str>)]) -> String {
    let rows = names.iter().map(|(id, name)| {
        let name = name.map_or("null".to_owned(), |name| format!("\"{name}\""));
        format!("{{\"id\":\"{id}\",\"name\":{name}}}")
    });
    format!("\"rows\":[{}]", rows.collect::<Vec<_>>().join(","))
}

async fn shows(site: &Site, ids: &str, names: &[(&str, Option<&str>)], errors: &str) {
    let answered = site.get(&[ids], "alice").await;
    let errors = match errors {
        "" => String::new(),
        errors => format!(",\"_errors\":[{errors}]"),
    };
    assert_eq!(answered.body(), format!("{{{}{errors}}}", named(names)));
}

fn error(rows: &str, cause: &str, stale: bool) -> String {
    format!(
        "{{\"source\":\"member\",\"in\":\"rows\",\"rows\":\"{rows}\",\"cause\":\"{cause}\",\"stale\":{stale}}}"
    )
}

/// A service whose members have the version that is set, and which fails with the status that is set.
struct Members {
    service: Service,
    version: Arc<AtomicUsize>,
    status: Arc<AtomicUsize>,
}

impl Members {
    async fn start(fields: &'static str) -> Self {
        let (version, status) = (
            Arc::new(AtomicUsize::new(1)),
            Arc::new(AtomicUsize::new(200)),
        );
        let (of_version, of_status) = (Arc::clone(&version), Arc::clone(&status));
        let service = Service::start(move |asked| {
            let status = u16::try_from(of_status.load(Ordering::SeqCst)).unwrap();
            with(
                status,
                fields,
                members(&asked, of_version.load(Ordering::SeqCst)),
            )
        })
        .await;
        Self {
            service,
            version,
            status,
        }
    }
}

#[tokio::test]
async fn a_key_is_asked_for_once_and_then_remembered_absent_or_not() {
    let (lists, members) = (lists().await, Members::start("").await);
    let site = draft(&lists, &members.service, lookup(|_| {})).build();
    let names = [
        ("7", Some("7 of 1")),
        ("8", Some("8 of 1")),
        ("7", Some("7 of 1")),
        ("nobody", None),
    ];
    for _ in 0..3 {
        shows(&site, "7,8,7,nobody", &names, "").await;
    }
    let heard = members.service.take_heard();
    let targets: Vec<_> = heard.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(targets, ["/members?ids=7,8,nobody"]);
}

#[tokio::test]
async fn what_was_known_and_what_was_not_is_told_and_counted() {
    let (lists, members) = (lists().await, Members::start("").await);
    let site = draft(&lists, &members.service, lookup(|_| {})).build();
    #[rustfmt::skip]
    let rounds = [
        ("7,8",   "member;fwd=miss;detail=\"fetched 2, calls 1\"",             0.0, 2.0),
        ("7,8",   "member;hit;detail=\"fresh 2\"",                             2.0, 2.0),
        ("7,8,9", "member;fwd=partial;detail=\"fresh 2, fetched 1, calls 1\"", 4.0, 3.0),
        ("7,8,9", "member;hit;detail=\"fresh 3\"",                             7.0, 3.0),
    ];
    let figure = |name| {
        let name = format!("tollgate_composer_source_{name}_total{{source=\"member\"}}");
        site.figure(&name)
    };
    for (ids, told, hits, misses) in rounds {
        let answered = site.get(&[ids], "alice").await;
        let status = answered.field("cache-status");
        assert!(status.contains(told), "{status} and not {told}");
        assert_eq!((figure("hits"), figure("misses")), (hits, misses), "{told}");
    }
}

#[tokio::test]
async fn old_records_are_asked_for_again() {
    let (lists, members) = (
        lists().await,
        Members::start("Cache-Control: max-age=5\r\n").await,
    );
    let site = draft(&lists, &members.service, lookup(|_| {})).build();
    shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
    members.version.store(2, Ordering::SeqCst);
    site.clock.set_forward(Duration::from_secs(4));
    shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
    site.clock.set_forward(Duration::from_secs(1));
    shows(&site, "7", &[("7", Some("7 of 2"))], "").await;
}

#[tokio::test]
async fn what_may_not_be_stored_is_asked_for_every_time() {
    for fields in [
        "Cache-Control: no-store\r\n",
        "Cache-Control: private\r\n",
        "Set-Cookie: a=b\r\n",
        "Vary: *\r\n",
    ] {
        let (lists, members) = (lists().await, Members::start(fields).await);
        let site = draft(&lists, &members.service, lookup(|_| {})).build();
        for _ in 0..3 {
            shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
        }
        assert_eq!(members.service.calls(), 3, "{fields}");
    }
}

#[tokio::test]
async fn an_old_record_stands_in_while_the_service_fails_and_says_so() {
    let (lists, members) = (lists().await, Members::start("").await);
    let lookup = lookup(|cache| cache.stale_if_error = Duration::from_secs(60));
    let site = draft(&lists, &members.service, lookup).build();
    shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
    members.status.store(500, Ordering::SeqCst);
    site.clock.set_forward(Duration::from_secs(12));
    let errors = format!(
        "{},{}",
        error("0", "status_500", true),
        error("1", "status_500", false)
    );
    shows(&site, "7,8", &[("7", Some("7 of 1")), ("8", None)], &errors).await;
    site.clock.set_forward(Duration::from_secs(60));
    shows(&site, "7", &[("7", None)], &error("0", "status_500", false)).await;
}

/// That there was none is known for its time and no longer: an absence that may be over is no answer.
#[tokio::test]
async fn an_old_absence_stands_in_for_nothing() {
    let (lists, members) = (lists().await, Members::start("").await);
    let lookup = lookup(|cache| {
        cache.stale_while_revalidate = Duration::from_secs(60);
        cache.stale_if_error = Duration::from_secs(60);
    });
    let site = draft(&lists, &members.service, lookup).build();
    shows(&site, "nobody", &[("nobody", None)], "").await;
    members.status.store(500, Ordering::SeqCst);
    shows(&site, "nobody", &[("nobody", None)], "").await;
    site.clock.set_forward(Duration::from_secs(12));
    let failed = error("0", "status_500", false);
    shows(&site, "nobody", &[("nobody", None)], &failed).await;
}

#[tokio::test]
async fn an_old_record_is_used_while_one_call_asks_for_it_anew() {
    let (lists, members) = (lists().await, Members::start("").await);
    let lookup = lookup(|cache| cache.stale_while_revalidate = Duration::from_secs(60));
    let site = draft(&lists, &members.service, lookup).build();
    shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
    members.version.store(2, Ordering::SeqCst);
    site.clock.set_forward(Duration::from_secs(12));
    shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
    let renewed = async {
        while site.get(&["7"], "alice").await.body()
            != format!("{{{}}}", named(&[("7", Some("7 of 2"))]))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, renewed)
        .await
        .expect("the record is renewed");
    assert_eq!(members.service.calls(), 2);
}

/// Nobody waits for it, so it has the time of any call to the service, however little a request has.
#[tokio::test]
async fn what_is_asked_for_anew_has_time_of_its_own() {
    let (lists, members) = (lists().await, Members::start("").await);
    let budget = Duration::from_secs(5);
    let site = Draft::new()
        .service("lists", &[lists.address])
        .open_service("members", &[members.service.address])
        .lookup(lookup(|cache| {
            cache.stale_while_revalidate = Duration::from_secs(60);
        }))
        .endpoint(Endpoint { budget, ..list() })
        .build();
    for is_in_time in [true, false] {
        shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
        let asked = async {
            loop {
                match members.service.take_heard().pop() {
                    Some(asked) => break asked,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let asked = tokio::time::timeout(LONG, asked).await.unwrap();
        let told = asked.field("x-request-timeout-ms").unwrap();
        let told = Duration::from_millis(told.parse().unwrap());
        assert_eq!(told <= budget, is_in_time, "{told:?}");
        site.clock.set_forward(Duration::from_secs(12));
    }
}

#[tokio::test]
async fn a_version_that_is_held_is_not_sent_again() {
    let lists = lists().await;
    let service = Service::start(|asked| {
        let versions = asked.list("versions");
        match versions.first().map(String::as_str) {
            Some("1") => json("[{\"memberId\":\"7\",\"version\":1,\"unchanged\":true}]"),
            Some(_) => json(members(&asked, 9)),
            None => json(members(&asked, 1)),
        }
    })
    .await;
    let versioned = Lookup {
        call: text("GET members /members?ids={keys}&versions={versions}"),
        version: Some(text("version")),
        ..lookup(|cache| cache.stale_if_error = Duration::from_secs(60))
    };
    let site = draft(&lists, &service, versioned).build();
    for _ in 0..3 {
        shows(&site, "7", &[("7", Some("7 of 1"))], "").await;
        site.clock.set_forward(Duration::from_secs(12));
    }
    assert_eq!(service.calls(), 3);
    assert!(site.figure("tollgate_composer_source_bytes_saved_total{source=\"member\"}") > 0.0);
}

#[tokio::test]
async fn calls_are_split_by_count_and_by_bytes_and_bounded() {
    let (lists, members) = (lists().await, Members::start("").await);
    let narrow = |keys, url_bytes| Lookup {
        source: LookupSource::Batch {
            max: ChunkMax { keys, url_bytes },
            cache: None,
        },
        ..lookup(|_| {})
    };
    let ids: Vec<_> = (100..130).map(|id| id.to_string()).collect();
    let build = |max: (usize, usize)| {
        Draft::new()
            .service("lists", &[lists.address])
            .open_service("members", &[members.service.address])
            .lookup(narrow(max.0, max.1))
            .endpoint(short_list())
            .build()
    };
    // `/members?ids=` takes 13 bytes, each key with its comma 4.
    for (max, calls) in [
        ((10, 4096), 3),
        ((100, 13 + 40), 3),
        ((100, 4096), 1),
        ((7, 4096), 5),
    ] {
        let site = build(max);
        let answered = site.get(&[&ids.join(",")], "alice").await;
        assert!(!answered.body().contains("_errors"), "{}", answered.body());
        let heard = members.service.take_heard();
        assert_eq!(heard.len(), calls, "{max:?}");
        assert!(heard.iter().all(|asked| asked.target.len() <= max.1));
    }
    // A request may cost 20 calls, of which the list took one.
    let site = build((100, 13 + 4));
    let answered = site.get(&[&ids.join(",")], "alice").await;
    let errors = format!("\"_errors\":[{}]", error("19-29", "calls", false));
    assert!(answered.body().contains(&errors), "{}", answered.body());
    assert_eq!(members.service.calls(), 19);
}

/// The versions that are held go with the keys.
#[tokio::test]
async fn a_target_is_no_longer_than_it_may_be_with_versions_in_it() {
    let lists = lists().await;
    let members = Service::start(|asked| {
        let rows = asked.list("ids").into_iter().map(|id| {
            let version = format!("{id:0>30}");
            format!("{{\"memberId\":\"{id}\",\"version\":\"{version}\",\"name\":\"{id} of 1\"}}")
        });
        json(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
    })
    .await;
    let url_bytes = 200;
    let versioned = Lookup {
        call: text("GET members /members?ids={keys}&versions={versions}"),
        version: Some(text("version")),
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 100,
                url_bytes,
            },
            cache: Some(Cache {
                stale_if_error: Duration::from_secs(60),
                ..cache()
            }),
        },
        ..lookup(|_| {})
    };
    let site = draft(&lists, &members, versioned).build();
    let ids: Vec<_> = (100..115).map(|id| id.to_string()).collect();
    // `/members?ids=&versions=` takes 23 bytes, each key 4 and its version one or 31.
    for calls in [1, 3] {
        let answered = site.get(&[&ids.join(",")], "alice").await;
        assert!(!answered.body().contains("_errors"), "{}", answered.body());
        let heard = members.take_heard();
        assert_eq!(heard.len(), calls);
        let lengths: Vec<_> = heard.iter().map(|asked| asked.target.len()).collect();
        assert!(lengths.iter().all(|it| *it <= url_bytes), "{lengths:?}");
        site.clock.set_forward(Duration::from_secs(12));
    }
}

#[tokio::test]
async fn one_bad_key_fails_alone() {
    let lists = lists().await;
    let service = Service::start(|asked| {
        if asked.list("ids").iter().any(|id| id == "poison") {
            return with(400, "", "{}");
        }
        json(members(&asked, 1))
    })
    .await;
    let site = draft(&lists, &service, lookup(|_| {})).build();
    let mut ids: Vec<_> = (0..99).map(|id| id.to_string()).collect();
    ids.insert(37, "poison".to_owned());
    let names: Vec<_> = ids.iter().map(|id| format!("{id} of 1")).collect();
    let expected: Vec<_> = ids
        .iter()
        .zip(&names)
        .map(|(id, name)| (id.as_str(), (id != "poison").then_some(name.as_str())))
        .collect();
    shows(
        &site,
        &ids.join(","),
        &expected,
        &error("37", "status_400", false),
    )
    .await;
    assert!(service.calls() <= 17, "{}", service.calls());
}

#[tokio::test]
async fn a_refusal_of_the_whole_is_not_taken_apart() {
    let lists = lists().await;
    for status in [401, 403, 429, 500] {
        let service = Service::start(move |_| with(status, "", "{}")).await;
        let site = draft(&lists, &service, lookup(|_| {})).build();
        let cause = format!("status_{status}");
        shows(
            &site,
            "1,2",
            &[("1", None), ("2", None)],
            &error("0-1", &cause, false),
        )
        .await;
        assert_eq!(service.calls(), 1);
    }
}

#[tokio::test]
async fn rows_that_are_strange_never_end_up_with_anothers_name() {
    let lists = lists().await;
    let service = Service::start(|_| {
        json(
            "[{\"memberId\":\"9\",\"name\":\"unasked\"},{\"name\":\"keyless\"},7,null,\
             {\"memberId\":8,\"name\":\"first\"},{\"memberId\":\"8\",\"name\":\"last\"},\
             {\"memberId\":\"007\",\"name\":\"not 7\"},{\"memberId\":[7],\"name\":\"no key\"}]",
        )
    })
    .await;
    let site = draft(&lists, &service, lookup(|_| {})).build();
    shows(&site, "7,8", &[("7", None), ("8", Some("last"))], "").await;
    let odd = |what| {
        format!("tollgate_composer_source_oddities_total{{oddity=\"{what}\",source=\"member\"}}")
    };
    assert_eq!(site.figure(&odd("unasked")), 2.0);
    assert_eq!(site.figure(&odd("keyless")), 4.0);
    assert_eq!(site.figure(&odd("repeated")), 1.0);
}

#[tokio::test]
async fn what_was_invalidated_is_asked_for_anew_even_while_it_is_under_way() {
    let lists = lists().await;
    let (version, heard, go) = (
        Arc::new(AtomicUsize::new(1)),
        Arc::new(Notify::new()),
        Arc::new(tokio::sync::Semaphore::new(0)),
    );
    let (of_version, told, leave) = (Arc::clone(&version), Arc::clone(&heard), Arc::clone(&go));
    // The service reads, and then waits with its answer.
    let service = Service::start_slow(move |asked| {
        let body = members(&asked, of_version.load(Ordering::SeqCst));
        let (told, leave) = (Arc::clone(&told), Arc::clone(&leave));
        Box::pin(async move {
            told.notify_one();
            leave.acquire().await.unwrap().forget();
            json(body)
        })
    })
    .await;
    let site = Arc::new(draft(&lists, &service, lookup(|_| {})).build());
    let asking = Arc::clone(&site);
    let first = composer_engine::spawn("first", async move { asking.get(&["7"], "a").await });
    tokio::time::timeout(LONG, heard.notified())
        .await
        .expect("the first call is under way");
    version.store(2, Ordering::SeqCst);
    let stale = Stale::Key("member".to_owned(), "7".to_owned());
    site.engine.invalidate(&[stale]).await.unwrap();
    go.add_permits(10);
    // Who asked before may be told the old state; who asks after may not.
    let expected = format!("{{{}}}", named(&[("7", Some("7 of 1"))]));
    assert_eq!(first.await.unwrap().body(), expected);
    shows(&site, "7", &[("7", Some("7 of 2"))], "").await;
    shows(&site, "7", &[("7", Some("7 of 2"))], "").await;
    assert_eq!(service.calls(), 2);
}

/// Two ask at the same time, for what may be shown to both, and for what may not.
#[tokio::test]
async fn what_may_not_be_stored_is_told_to_nobody_but_who_asked_first() {
    for (fields, of_second) in [
        ("", 1),
        ("Cache-Control: no-store\r\n", 2),
        ("Cache-Control: private\r\n", 2),
    ] {
        let lists = lists().await;
        let (count, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let go = Arc::new(tokio::sync::Semaphore::new(0));
        let (told, leave) = (Arc::clone(&heard), Arc::clone(&go));
        let service = Service::start_slow(move |asked| {
            let body = members(&asked, 1 + count.fetch_add(1, Ordering::SeqCst));
            let (told, leave) = (Arc::clone(&told), Arc::clone(&leave));
            Box::pin(async move {
                told.notify_one();
                leave.acquire().await.unwrap().forget();
                with(200, fields, body)
            })
        })
        .await;
        let site = Arc::new(draft(&lists, &service, lookup(|_| {})).build());
        let ask = |who: &'static str| {
            let site = Arc::clone(&site);
            composer_engine::spawn("asking", async move { site.get(&["7"], who).await })
        };
        let first = ask("alice");
        let is_heard = tokio::time::timeout(LONG, heard.notified()).await;
        is_heard.expect("the first call is under way");
        let second = ask("bob");
        let misses = "tollgate_composer_source_misses_total{source=\"member\"}";
        site.until(misses, 2.0..).await;
        go.add_permits(10);
        for (asking, number) in [(first, 1), (second, of_second)] {
            let name = format!("7 of {number}");
            let expected = format!("{{{}}}", named(&[("7", Some(&name))]));
            assert_eq!(asking.await.unwrap().body(), expected, "{fields}");
        }
        assert_eq!(service.calls(), of_second, "{fields}");
    }
}

#[tokio::test]
async fn a_private_record_is_each_callers_own() {
    let lists = lists().await;
    let service = Service::start(|asked| {
        let who = asked.field("authorization").unwrap_or("nobody").to_owned();
        let rows = asked.list("ids").into_iter();
        let rows = rows.map(|id| format!("{{\"memberId\":\"{id}\",\"name\":\"{who}\"}}"));
        json(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
    })
    .await;
    let private = Lookup {
        scope: Scope::Caller,
        ..lookup(|_| {})
    };
    let site = Draft::new()
        .service("lists", &[lists.address])
        .service("members", &[service.address])
        .lookup(private)
        .endpoint(list())
        .build();
    for _ in 0..2 {
        for who in ["alice", "bob"] {
            let answered = site.get(&["7"], who).await;
            let name = format!("Bearer {who}");
            assert_eq!(
                answered.body(),
                format!("{{{}}}", named(&[("7", Some(&name))]))
            );
        }
    }
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn a_service_that_never_answers_costs_its_timeout_and_no_more() {
    let lists = lists().await;
    let service = Service::start(|_| Reply::Hang).await;
    let policy = crate::site::policy("members", &[service.address]);
    let site = Draft::new()
        .service("lists", &[lists.address])
        .service_of(policy, false, Duration::from_millis(50))
        .lookup(lookup(|_| {}))
        .endpoint(list())
        .build();
    shows(&site, "7", &[("7", None)], &error("0", "timeout", false)).await;
}
