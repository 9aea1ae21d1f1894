//! Entities that engines share by way of Redis: filled from each other, never the wrong one, never after
//! their time or their end, and without it as well as with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use composer_core::declaration::{Lookup, Place};
use composer_core::plan::{RENDERING, SECOND_LEVEL_TIMES, Scope};
use composer_engine::Stale;
use tokio::sync::{Notify, Semaphore};

use crate::redis_server::RedisServer;
use crate::service::{Reply, Service, json, with};
use crate::site::{Draft, LONG, Site, batch, endpoint, rows, step};

/// A service of members, whose version is set, and one of lists.
struct Services {
    lists: Service,
    members: Service,
    own: Service,
    version: Arc<AtomicUsize>,
    fields: Arc<std::sync::Mutex<String>>,
}

/// Long enough for a crowded machine, and a fraction of what a request may take.
const TIMEOUT: Duration = Duration::from_secs(2);
const OPEN: &str = "tollgate_composer_second_level_open{source=\"redis\"}";

fn keys(outcome: &str) -> String {
    format!("tollgate_composer_second_level_keys_total{{outcome=\"{outcome}\",source=\"member\"}}")
}

fn errors(command: &str) -> String {
    format!("tollgate_composer_second_level_errors_total{{command=\"{command}\"}}")
}

fn rows_of(ids: &[String], version: usize) -> String {
    let ids = ids.iter().filter(|id| !id.starts_with("nobody"));
    let rows = ids.map(|id| format!("{{\"memberId\":\"{id}\",\"name\":\"{id} of {version}\"}}"));
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn expected(ids: &str, version: usize) -> String {
    let rows = ids.split(',').map(|id| match id.starts_with("nobody") {
        true => format!("{{\"id\":\"{id}\",\"name\":null}}"),
        false => format!("{{\"id\":\"{id}\",\"name\":\"{id} of {version}\"}}"),
    });
    format!("{{\"rows\":[{}]}}", rows.collect::<Vec<_>>().join(","))
}

impl Services {
    async fn start() -> Self {
        let version = Arc::new(AtomicUsize::new(1));
        let fields = Arc::<std::sync::Mutex<String>>::default();
        let lists = Service::start(|asked| {
            let ids = asked.list("ids").into_iter();
            let rows: Vec<_> = ids.map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
            json(format!("[{}]", rows.join(",")))
        });
        let (of, lines) = (Arc::clone(&version), Arc::clone(&fields));
        let members = Service::start(move |asked| {
            let body = rows_of(&asked.list("ids"), of.load(Ordering::SeqCst));
            with(200, &lines.lock().unwrap(), body)
        });
        let own = Service::start(|asked| {
            let id = asked.list("ids").remove(0);
            json(format!("[{{\"id\":\"{id}\",\"name\":\"a secret\"}}]"))
        });
        Self {
            lists: lists.await,
            members: members.await,
            own: own.await,
            version,
            fields,
        }
    }

    fn draft(&self) -> Draft {
        self.draft_with(&self.members)
    }

    fn draft_with(&self, members: &Service) -> Draft {
        Draft::new()
            .service("lists", &[self.lists.address])
            .open_service("members", &[members.address])
            .lookup(shared())
            .endpoint(endpoint(
                "GET /list/{ids}",
                vec![step("list", "GET lists /list?ids={ids}")],
                vec![(
                    "rows",
                    rows("list", &["id"], &[("name", "member(id).name")]),
                )],
            ))
    }
}

fn shared() -> Lookup {
    Lookup {
        second_level_place: Some(Place::default()),
        ..batch("member", "GET members /members?ids={keys}", "memberId")
    }
}

/// An engine that shares with others, once it can.
async fn join(mut draft: Draft, redis: &RedisServer) -> Site {
    draft.second_level = Some((redis.address(), TIMEOUT));
    let site = draft.build();
    site.until(OPEN, 1.0..).await;
    site
}

async fn shows(site: &Site, ids: &str, version: usize) {
    assert_eq!(
        site.get(&[ids], "alice").await.body(),
        expected(ids, version)
    );
}

/// A member that one engine has fetched and the others can find.
async fn stored(services: &Services, redis: &RedisServer, ids: &str, version: usize) -> Site {
    let site = join(services.draft(), redis).await;
    shows(&site, ids, version).await;
    let count = ids.split(',').count();
    site.until(&keys("stored"), (count as f64)..).await;
    site
}

#[tokio::test]
async fn what_one_composer_fetched_another_finds_without_a_call() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let _first = stored(&services, &redis, "1,2,nobody", 1).await;
    services.members.take_heard();

    let second = join(services.draft(), &redis).await;
    let answered = second.get(&["1,2,nobody"], "bob").await;
    assert_eq!(answered.body(), expected("1,2,nobody", 1));
    assert_eq!(services.members.calls(), 0);
    let told = answered.field("cache-status");
    assert!(told.contains("member;hit;detail=\"redis 3\""), "{told}");
    let told = answered.field("composition-status");
    assert!(told.starts_with("complete;calls=1;"), "{told}");
    assert_eq!(second.figure(&keys("hit")), 3.0);

    // From then on it is known, and what is new is asked for with the rest of its batch alone.
    let answered = second.get(&["1,2,3"], "bob").await;
    let told = answered.field("cache-status");
    assert!(
        told.contains("member;fwd=partial;detail=\"fresh 2, fetched 1, calls 1\""),
        "{told}"
    );
    let heard = services.members.take_heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].list("ids"), ["3"]);
}

#[tokio::test]
async fn who_has_little_time_left_does_not_wait_for_redis() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let _first = stored(&services, &redis, "1", 1).await;
    services.members.take_heard();
    // Some of it has gone by when it comes to that.
    let little = TIMEOUT * SECOND_LEVEL_TIMES + RENDERING;
    for (budget, outcome, calls) in [(little, "passed", 1), (LONG, "hit", 0)] {
        let mut draft = services.draft();
        draft.declaration.endpoints[0].budget = budget;
        let second = join(draft, &redis).await;
        shows(&second, "1", 1).await;
        assert_eq!(services.members.take_heard().len(), calls, "{outcome}");
        assert_eq!(second.figure(&keys(outcome)), 1.0, "{outcome}");
    }
}

#[tokio::test]
async fn what_is_private_is_nowhere_in_redis() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let own = Lookup {
        scope: Scope::Caller,
        ..batch("own", "GET own /own?ids={keys}", "id")
    };
    let of_all = endpoint(
        "GET /mine/{id}",
        Vec::new(),
        vec![
            ("own", crate::site::value("own(id).name")),
            ("name", crate::site::value("member(id).name")),
        ],
    );
    let mut draft = Draft::new()
        .service("own", &[services.own.address])
        .open_service("members", &[services.members.address])
        .lookup(shared())
        .lookup(own)
        .endpoint(of_all);
    let mut refused = draft.declaration.clone();
    refused.lookups[1].second_level_place = Some(Place::default());
    assert!(composer_core::compile(&refused).is_err());

    draft.second_level = Some((redis.address(), TIMEOUT));
    let site = draft.build();
    site.until(OPEN, 1.0..).await;
    for who in ["alice", "bob"] {
        let answered = site.get(&["7"], who).await;
        assert_eq!(
            answered.body(),
            "{\"own\":\"a secret\",\"name\":\"7 of 1\"}"
        );
    }
    site.until(&keys("stored"), 1.0..).await;
    assert_eq!(services.own.calls(), 2);
    let names = redis.names();
    assert_eq!(names.len(), 1, "{names:?}");
    let value: Vec<u8> = redis.command(&[b"GET", names[0].as_bytes()]);
    let text = String::from_utf8_lossy(&value);
    assert!(
        text.contains("7 of 1") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test]
async fn an_entity_is_used_for_no_longer_than_where_it_was_fetched() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    *services.fields.lock().unwrap() = "Cache-Control: max-age=10\r\nAge: 7\r\n".to_owned();
    let _first = stored(&services, &redis, "1", 1).await;
    let life: i64 = redis.command(&[b"PTTL", redis.name_of("1").as_bytes()]);
    assert!(0 < life && life <= 3_000, "{life}");

    let second = join(services.draft(), &redis).await;
    shows(&second, "1", 1).await;
    redis.command::<()>(&[b"FLUSHALL"]);
    services.version.store(2, Ordering::SeqCst);
    second.clock.set_forward(Duration::from_secs(3));
    shows(&second, "1", 2).await;

    // What may not be used again at all is not stored.
    *services.fields.lock().unwrap() = "Cache-Control: no-store\r\n".to_owned();
    shows(&second, "5", 2).await;
    *services.fields.lock().unwrap() = "Cache-Control: private\r\n".to_owned();
    shows(&second, "6", 2).await;
    *services.fields.lock().unwrap() = String::new();
    shows(&second, "8", 2).await;
    second.until(&keys("stored"), 2.0..).await;
    for (key, kind) in [("5", b'R'), ("6", b'R'), ("8", b'V')] {
        let held: Vec<u8> = redis.command(&[b"GET", redis.name_of(key).as_bytes()]);
        assert_eq!(held[0], kind, "{key}");
    }
}

#[tokio::test]
async fn what_was_invalidated_is_asked_for_anew_by_all() {
    let orders = [
        Stale::Key("member".to_owned(), "1".to_owned()),
        Stale::Lookup("member".to_owned()),
        Stale::Everything,
    ];
    for order in orders {
        let (services, redis) = (Services::start().await, RedisServer::start());
        let first = stored(&services, &redis, "1", 1).await;
        services.version.store(2, Ordering::SeqCst);
        let second = join(services.draft(), &redis).await;
        first.engine.invalidate(&[order]).await.unwrap();
        shows(&second, "1", 2).await;
        shows(&first, "1", 2).await;
    }
}

/// Members that are read at once and told when somebody lets them.
async fn slow(version: usize) -> (Service, Arc<Notify>, Arc<Semaphore>) {
    let (heard, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (hears, goes) = (Arc::clone(&heard), Arc::clone(&go));
    let service = Service::start_slow(move |asked| {
        let (hears, goes) = (Arc::clone(&hears), Arc::clone(&goes));
        Box::pin(async move {
            let body = rows_of(&asked.list("ids"), version);
            hears.notify_one();
            goes.acquire().await.unwrap().forget();
            json(body)
        })
    });
    (service.await, heard, go)
}

#[tokio::test]
async fn what_another_composer_had_asked_for_before_is_not_stored_after() {
    let orders = [
        Stale::Key("member".to_owned(), "1".to_owned()),
        Stale::Lookup("member".to_owned()),
    ];
    for order in orders {
        let (services, redis) = (Services::start().await, RedisServer::start());
        let (late, heard, go) = slow(1).await;
        let second = Arc::new(join(services.draft_with(&late), &redis).await);
        let asking = Arc::clone(&second);
        let asked = composer_engine::spawn("late", async move { asking.get(&["1"], "b").await });
        tokio::time::timeout(LONG, heard.notified()).await.unwrap();

        let first = join(services.draft(), &redis).await;
        services.version.store(2, Ordering::SeqCst);
        first.engine.invalidate(&[order]).await.unwrap();
        go.add_permits(1);
        // The second composer was told of nothing, so that this is as it would be without the other.
        assert_eq!(asked.await.unwrap().body(), expected("1", 1));
        let done = async {
            while second.figure(&keys("refused")) + second.figure(&keys("stored")) < 1.0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, done).await.unwrap();
        shows(&first, "1", 2).await;
        let third = join(services.draft(), &redis).await;
        shows(&third, "1", 2).await;
    }
}

#[tokio::test]
async fn what_redis_could_not_be_told_is_not_found_there_later() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let first = stored(&services, &redis, "1,2", 1).await;
    redis.signal("STOP");
    shows(&first, "9", 1).await;
    first.until(OPEN, ..=0.0).await;
    // Nothing of this goes to Redis, not even late.
    services.version.store(2, Ordering::SeqCst);
    let stale = |key: &str| [Stale::Key("member".to_owned(), key.to_owned())];
    first.engine.invalidate(&stale("1")).await.unwrap();
    assert_eq!(first.figure(&errors("forget")), 1.0);
    redis.signal("CONT");
    first.until(OPEN, 1.0..).await;
    // It reads nothing there again but with a new generation, in which others find nothing old.
    shows(&first, "1", 2).await;
    let second = join(services.draft(), &redis).await;
    shows(&second, "1,2", 2).await;

    // One that is silent is waited for, but not for long.
    redis.signal("STOP");
    let told = tokio::time::timeout(LONG, first.engine.invalidate(&stale("2"))).await;
    told.expect("nobody waits for Redis for long").unwrap();
    assert_eq!(first.figure(&errors("forget")), 2.0);
    redis.signal("CONT");
}

#[tokio::test]
async fn garbage_in_redis_is_counted_and_becomes_no_row() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let ids = "1,2,3,4,5,6,7,8";
    let _first = stored(&services, &redis, ids, 1).await;
    let name = |id: &str| redis.name_of(id).into_bytes();
    let value: Vec<u8> = redis.command(&[b"GET", &name("1")]);
    // The entity of another key, half of one, text, another type, one without an end, and far too much.
    redis.command::<()>(&[b"SET", &name("2"), &value, b"PX", b"9000"]);
    redis.command::<()>(&[
        b"SET",
        &name("3"),
        &value[..value.len() - 9],
        b"PX",
        b"9000",
    ]);
    redis.command::<()>(&[b"SET", &name("4"), b"garbage", b"PX", b"9000"]);
    let five = name("5");
    redis.command::<()>(&[b"DEL", &five]);
    redis.command::<()>(&[b"RPUSH", &five, b"a"]);
    redis.command::<()>(&[b"PERSIST", &name("6")]);
    let large = vec![b'V'; 100_000];
    redis.command::<()>(&[b"SET", &name("7"), &large, b"PX", b"9000"]);
    services.version.store(2, Ordering::SeqCst);
    services.members.take_heard();

    let second = join(services.draft(), &redis).await;
    let answered = second.get(&[ids], "bob").await;
    let mut versions = BTreeMap::new();
    for (id, version) in [("1", 1), ("8", 1)] {
        versions.insert(id, version);
    }
    let rows = ids.split(',').map(|id| {
        let version = versions.get(id).unwrap_or(&2);
        format!("{{\"id\":\"{id}\",\"name\":\"{id} of {version}\"}}")
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    assert_eq!(answered.body(), format!("{{\"rows\":[{rows}]}}"));
    assert_eq!(
        services.members.take_heard()[0].list("ids"),
        ["2", "3", "4", "5", "6", "7"]
    );
    assert_eq!(second.figure(&keys("wrong")), 6.0);
    assert_eq!(second.figure(&keys("hit")), 2.0);

    // What was wrong was replaced.
    second.until(&keys("stored"), 6.0..).await;
    let third = join(services.draft(), &redis).await;
    assert_eq!(third.get(&[ids], "bob").await.body(), answered.body());
    assert_eq!(services.members.calls(), 0);
    assert_eq!(third.figure(&keys("hit")), 8.0);
}

#[tokio::test]
async fn answers_are_the_same_while_redis_is_silent_dead_or_emptied() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let mut draft = services.draft();
    draft.second_level = Some((redis.address(), TIMEOUT));
    let site = draft.build();
    site.until(OPEN, 1.0..).await;
    shows(&site, "1", 1).await;
    site.until(&keys("stored"), 1.0..).await;

    redis.signal("STOP");
    for id in 10..30 {
        shows(&site, &id.to_string(), 1).await;
    }
    // One question was not answered; after it nobody waited.
    assert_eq!(site.figure(&errors("find")), 1.0);
    assert_eq!(site.figure(&keys("passed")), 20.0);
    site.until(OPEN, ..=0.0).await;
    redis.signal("CONT");
    site.until(OPEN, 1.0..).await;
    shows(&site, "30", 1).await;
    site.until(&keys("stored"), 2.0..).await;

    redis.command::<()>(&[b"FLUSHALL"]);
    shows(&site, "1,30,31", 1).await;
    site.until(&keys("stored"), 3.0..).await;

    let folder = redis.kill();
    for id in 40..60 {
        shows(&site, &id.to_string(), 1).await;
    }
    site.until(OPEN, ..=0.0).await;
    let redis = RedisServer::restart_in(folder);
    site.until(OPEN, 1.0..).await;
    shows(&site, "60", 1).await;
    site.until(&keys("stored"), 4.0..).await;
    drop(redis);
}

#[tokio::test]
async fn a_server_that_was_restored_has_nothing_that_is_believed() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let first = stored(&services, &redis, "1", 1).await;
    let held = redis
        .names()
        .into_iter()
        .chain([redis.name_of("1")[..50].to_owned()]);
    let dumps = held.map(|name| {
        let dump: Vec<u8> = redis.command(&[b"DUMP", name.as_bytes()]);
        (name, dump)
    });
    let dumps: Vec<_> = dumps.collect();
    services.version.store(2, Ordering::SeqCst);
    first.engine.invalidate(&[Stale::Everything]).await.unwrap();

    let restored = RedisServer::start();
    for (name, dump) in &dumps {
        restored.command::<()>(&[b"RESTORE", name.as_bytes(), b"9000", dump]);
    }
    let second = join(services.draft(), &restored).await;
    shows(&second, "1", 2).await;
}

#[tokio::test]
async fn a_service_that_fails_is_no_reason_to_forget_what_another_composer_knows() {
    let (services, redis) = (Services::start().await, RedisServer::start());
    let _first = stored(&services, &redis, "1", 1).await;
    let broken = Service::start(|_| Reply::Silence).await;
    let second = join(services.draft_with(&broken), &redis).await;
    shows(&second, "1", 1).await;
    let answered = second.get(&["1,2"], "bob").await;
    assert!(
        answered.body().contains("\"rows\":\"1\""),
        "{}",
        answered.body()
    );
    assert!(answered.body().contains("1 of 1"), "{}", answered.body());
}
