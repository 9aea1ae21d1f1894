//! What an answer says of how it may be used again: what its strictest part does, and no more of its
//! time than that has left, wherever the part was found.

use std::time::Duration;

use composer_core::declaration::{LookupSource, Step};
use composer_core::plan::Scope;

use crate::service::{Service, with};
use crate::site::{Answered, Draft, Site, batch, cache, endpoint, kept, rows, step, text, value};

/// Seconds that a call which is answered at once may take on a busy machine.
const ON_THE_WAY: u64 = 3;

/// A list with names, and a bank for all of it; each service says one thing of what it answers.
async fn site([list, member, bank]: [&'static str; 3], is_list_kept: bool) -> (Site, [Service; 3]) {
    let lists = Service::start(move |asked| {
        let ids = asked.list("ids").into_iter();
        let rows: Vec<_> = ids.map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
        with(200, list, format!("[{}]", rows.join(",")))
    });
    let members = Service::start(move |asked| {
        let ids = asked.list("ids").into_iter();
        let rows: Vec<_> = ids
            .map(|id| format!("{{\"id\":\"{id}\",\"name\":1}}"))
            .collect();
        with(200, member, format!("[{}]", rows.join(",")))
    });
    let banks = Service::start(move |_| with(200, bank, "[{\"code\":\"b\",\"name\":2}]"));
    let list = Step {
        cache: is_list_kept.then(|| kept(Scope::Shared, cache())),
        ..step("list", "GET lists /list?ids={ids}")
    };
    let mut lookup = batch("member", "GET members /members?ids={keys}", "id");
    if let LookupSource::Batch {
        cache: Some(cache), ..
    } = &mut lookup.source
    {
        cache.stale_while_revalidate = Duration::from_secs(60);
    }
    let services = [lists.await, members.await, banks.await];
    let [lists, members, banks] = services.each_ref().map(|it| it.address);
    let site = Draft::new()
        .service("lists", &[lists])
        .open_service("members", &[members])
        .open_service("banks", &[banks])
        .lookup(lookup)
        .lookup(batch("bank", "GET banks /banks?ids={keys}", "code"))
        .endpoint(endpoint(
            "GET /list/{bank}/{ids}",
            vec![list],
            vec![
                ("bank", value("bank(bank).name")),
                (
                    "rows",
                    rows("list", &["id"], &[("name", "member(id).name")]),
                ),
            ],
        ))
        .build();
    (site, services)
}

/// Whether an answer says so, with so many seconds left at most; none where it has to be asked about.
fn check(answered: &Answered, (words, most): (&str, u64), case: &str) {
    assert_eq!(answered.status(), 200, "{case}");
    let told = answered.field("cache-control");
    let Some((before, after)) = words.split_once("{}") else {
        assert_eq!(told, words, "{case}");
        return;
    };
    let seconds = told
        .strip_prefix(before)
        .and_then(|it| it.strip_suffix(after));
    let seconds: u64 = seconds.and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
    // Some of it went by on the way.
    let is_right = seconds < most && seconds + ON_THE_WAY >= most;
    assert!(is_right, "{case}: {told} and not {words} with {most}");
}

#[tokio::test]
async fn an_answer_may_be_used_again_as_its_strictest_part_may() {
    let long = "Cache-Control: public, max-age=90\r\n";
    let public = "public, max-age={}";
    #[rustfmt::skip]
    let cases = [
        // What services say of a list, of members and of a bank; of the answer at once and later.
        ([long, "Cache-Control: public, max-age=60\r\n", long],            public, 60),
        ([long, long, "Cache-Control: public, max-age=60\r\n"],            public, 60),
        ([long, "Cache-Control: max-age=60\r\n", long],                    "private, max-age={}", 60),
        ([long, long, "Cache-Control: max-age=60\r\n"],                    "private, max-age={}", 60),
        ([long, "Cache-Control: public, max-age=60, must-revalidate\r\n", long],
            "public, max-age={}, must-revalidate", 60),
        ([long, "Cache-Control: public, max-age=60\r\nAge: 20\r\n", long], public, 40),
        ([long, long, ""],                                                 "private, no-cache", 0),
        ([long, "Cache-Control: public, no-cache\r\n", long],              "public, no-cache", 0),
        ([long, long, "Cache-Control: no-store\r\n"],                      "no-store", 0),
        ([long, "Cache-Control: private, max-age=60\r\n", long],           "no-store", 0),
    ];
    for (says, words, most) in cases {
        for is_list_kept in [false, true] {
            let case = format!("{says:?} {is_list_kept}");
            let (site, _services) = site(says, is_list_kept).await;
            check(&site.get(&["b", "7"], "alice").await, (words, most), &case);
            // All of it is known, then some of it, and at last it is old and asked for anew.
            site.clock.set_forward(Duration::from_secs(7));
            let most = most.saturating_sub(7);
            check(&site.get(&["b", "7"], "alice").await, (words, most), &case);
            check(
                &site.get(&["b", "7,8"], "alice").await,
                (words, most),
                &case,
            );
        }
    }
}

#[tokio::test]
async fn an_old_part_leaves_no_more_time_than_it_has() {
    let public = "Cache-Control: public, max-age=60\r\n";
    let (site, _services) = site([public, public, public], false).await;
    check(
        &site.get(&["b", "7"], "alice").await,
        ("public, max-age={}", 60),
        "cold",
    );
    // Members are kept for ten seconds, and old ones are used while they are asked for anew.
    site.clock.set_forward(Duration::from_secs(12));
    check(
        &site.get(&["b", "7"], "alice").await,
        ("public, max-age={}", 48),
        "old",
    );
}

#[tokio::test]
async fn what_is_still_so_may_be_used_again_as_the_service_says_now() {
    let lists = Service::start(|_| {
        let fields = "Cache-Control: public, max-age=90\r\n";
        with(200, fields, "[{\"id\":\"7\"}]")
    });
    let members = Service::start(|asked| match asked.list("versions").is_empty() {
        true => with(
            200,
            "Cache-Control: public, max-age=60\r\n",
            "[{\"id\":\"7\",\"version\":1}]",
        ),
        false => with(
            200,
            "Cache-Control: max-age=30, must-revalidate\r\n",
            "[{\"id\":\"7\",\"version\":1,\"unchanged\":true}]",
        ),
    });
    let (lists, members) = (lists.await, members.await);
    let mut lookup = batch(
        "member",
        "GET members /members?ids={keys}&versions={versions}",
        "id",
    );
    lookup.version = Some(text("version"));
    let site = Draft::new()
        .service("lists", &[lists.address])
        .open_service("members", &[members.address])
        .lookup(lookup)
        .endpoint(endpoint(
            "GET /list",
            vec![step("list", "GET lists /list")],
            vec![(
                "rows",
                rows("list", &["id"], &[("version", "member(id).version")]),
            )],
        ))
        .build();
    check(
        &site.get(&[], "alice").await,
        ("public, max-age={}", 60),
        "new",
    );
    site.clock.set_forward(Duration::from_secs(12));
    let words = "private, max-age={}, must-revalidate";
    for case in ["still so", "known to be still so"] {
        check(&site.get(&[], "alice").await, (words, 30), case);
    }
    assert_eq!(members.calls(), 2);
}
