//! The client against a server that misbehaves on purpose.

mod server;

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;

use super::*;
use server::{Act, Asked, Server, answer, refuse_body};

const SOON: Duration = Duration::from_secs(10);

async fn tally(
    load: impl FnOnce(SocketAddr) -> Load,
    requests: u64,
    script: impl Fn(&Asked) -> Act + Send + Sync + 'static,
) -> Tally {
    let server = Server::start(script).await;
    load(server.address).run(requests).await
}

fn get(target: SocketAddr) -> Load {
    Load::new(target, Request::get("/a"))
}

fn post(target: SocketAddr) -> Load {
    Load::new(target, Request::post("/a", "body"))
}

#[tokio::test]
async fn kept_connections_carry_every_request() {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&opened);
    let load = |target| Load {
        connections: 3,
        ..get(target)
    };
    let tally = tally(load, 60, move |asked| {
        seen.lock().unwrap().push(asked.connection);
        Act::Send(answer("hello"))
    })
    .await;

    assert!(tally.is_clean(), "{tally}");
    assert_eq!((tally.ok, tally.status(200), tally.bytes), (60, 60, 300));
    assert_eq!((tally.closed, tally.reopened, tally.resent), (0, 0, 0));
    assert_eq!(tally.latency.count(), 60);
    let opened = opened.lock().unwrap();
    assert_eq!(opened.iter().max(), Some(&2));
    assert_eq!(opened.len(), 60);
}

#[tokio::test]
async fn connection_close_is_honoured_and_is_no_error() {
    let tally = tally(get, 6, |asked| {
        if asked.turn == 1 {
            Act::SendAndClose(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
            )
        } else {
            Act::Send(answer("x"))
        }
    })
    .await;
    assert!(tally.is_clean(), "{tally}");
    assert_eq!(
        (tally.ok, tally.closed, tally.reopened, tally.resent),
        (6, 3, 0, 0)
    );
}

#[tokio::test]
async fn chunked_and_close_delimited_bodies_are_read_whole() {
    let tally = tally(get, 4, |asked| match asked.connection {
        0 if asked.turn == 0 => Act::Send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into(),
        ),
        _ => Act::SendAndClose("HTTP/1.1 200 OK\r\n\r\nabc".into()),
    })
    .await;
    assert!(tally.is_clean(), "{tally}");
    assert_eq!((tally.ok, tally.bytes, tally.closed), (4, 12, 3));
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_server_is_opened_again() {
    // Nothing has been sent on it yet, so any method may go on a new connection.
    for load in [get, post] {
        let rested = |target| Load {
            pause: Duration::from_millis(50),
            ..load(target)
        };
        let tally = tally(rested, 3, |_| Act::SendAndClose(answer("x"))).await;
        assert!(tally.is_clean(), "{tally}");
        assert_eq!(
            (tally.ok, tally.reopened, tally.resent),
            (3, 2, 0),
            "{tally}"
        );
    }
}

#[tokio::test]
async fn a_get_that_a_used_connection_swallowed_is_sent_again_once() {
    let tally = tally(get, 3, |asked| match (asked.connection, asked.turn) {
        (0, 1) => Act::Close,
        (1, 1) => Act::Reset,
        _ => Act::Send(answer("x")),
    })
    .await;
    assert!(tally.is_clean(), "{tally}");
    assert_eq!((tally.ok, tally.resent), (3, 2));
}

#[tokio::test]
async fn a_get_is_not_sent_a_third_time() {
    let tally = tally(get, 2, |asked| match (asked.connection, asked.turn) {
        (0, 0) => Act::Send(answer("x")),
        _ => Act::Close,
    })
    .await;
    assert_eq!(
        (tally.ok, tally.resent, tally.errors.reset),
        (1, 1, 1),
        "{tally}"
    );
}

#[tokio::test]
async fn a_post_that_was_swallowed_is_an_error() {
    for act in [|| Act::Close, || Act::Reset] {
        let tally = tally(post, 2, move |asked| match asked.turn {
            0 => Act::Send(answer("x")),
            _ => act(),
        })
        .await;
        assert_eq!((tally.ok, tally.resent), (1, 0), "{tally}");
        assert_eq!(
            tally.errors,
            Errors {
                reset: 1,
                ..Errors::default()
            }
        );
    }
}

#[tokio::test]
async fn a_fresh_connection_without_an_answer_is_an_error() {
    let tally = tally(get, 3, |_| Act::Close).await;
    assert_eq!(
        tally.errors,
        Errors {
            reset: 3,
            ..Errors::default()
        },
        "{tally}"
    );
    assert_eq!(tally.resent, 0);
}

#[tokio::test]
async fn a_body_cut_short_is_truncated() {
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Le",
    ];
    for wire in cases {
        let tally = tally(get, 2, |_| Act::SendAndClose(wire.into())).await;
        assert_eq!(
            tally.errors,
            Errors {
                truncated: 2,
                ..Errors::default()
            },
            "{tally}"
        );
        assert_eq!(tally.answered(), 0);
    }
}

#[tokio::test]
async fn what_is_not_http_is_malformed_and_costs_the_connection() {
    let tally = tally(get, 2, |asked| match asked.connection {
        0 => Act::Send("SSH-2.0-open\r\n\r\n".into()),
        _ => Act::Send(answer("x")),
    })
    .await;
    assert_eq!(
        tally.errors,
        Errors {
            malformed: 1,
            ..Errors::default()
        },
        "{tally}"
    );
    assert_eq!(tally.ok, 1);
}

#[tokio::test]
async fn a_second_answer_that_nobody_asked_for_is_malformed() {
    let twice = format!("{}{}", answer("a"), answer("b"));
    let tally = tally(get, 1, move |_| Act::Send(twice.clone())).await;
    assert_eq!(
        tally.errors,
        Errors {
            malformed: 1,
            ..Errors::default()
        },
        "{tally}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let limits = Limits {
        answer: Duration::from_millis(40),
        ..Limits::default()
    };
    let tally = tally(
        |target| Load {
            limits,
            ..get(target)
        },
        2,
        |asked| {
            if asked.connection == 0 {
                Act::Hold
            } else {
                Act::Send(answer("x"))
            }
        },
    )
    .await;
    assert_eq!(
        tally.errors,
        Errors {
            timeout: 1,
            ..Errors::default()
        },
        "{tally}"
    );
    assert_eq!(tally.ok, 1);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let target = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let tally = get(target).run(3).await;
    assert_eq!(
        tally.errors,
        Errors {
            connect: 3,
            ..Errors::default()
        },
        "{tally}"
    );
    assert!(
        tally
            .notes
            .iter()
            .all(|note| note.contains("no connection")),
        "{tally}"
    );
}

#[tokio::test]
async fn an_answer_before_the_whole_body_was_taken_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let large = vec![b'x'; 8 * 1024 * 1024];
    let tally = tokio::select! {
        tally = Load::new(target, Request::post("/a", large)).run(1) => tally,
        () = refuse_body(
            listener,
            "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        ) => unreachable!("it holds the connection"),
    };
    assert_eq!((tally.status(413), tally.errors.total()), (1, 0), "{tally}");
}

#[tokio::test]
async fn a_mix_up_is_seen() {
    let request = Request {
        id_header: Some("X-Request-Id".into()),
        ..Request::get("/a")
    };
    let expect = Some(Expect::echoed_id("x-echo"));
    let load = |target| Load {
        expect,
        ..Load::new(target, request)
    };
    let tally = tally(load, 4, |asked| {
        let id = if asked.turn == 2 {
            "another"
        } else {
            asked.header("x-request-id").unwrap()
        };
        Act::Send(format!(
            "HTTP/1.1 200 OK\r\nX-Echo: {id}\r\nContent-Length: 0\r\n\r\n"
        ))
    })
    .await;
    assert_eq!(
        (tally.ok, tally.unexpected, tally.status(200)),
        (3, 1, 4),
        "{tally}"
    );
    assert!(!tally.is_clean());
}

#[tokio::test]
async fn paths_rotate_and_bodies_arrive() {
    let request = Request {
        paths: vec!["/a".into(), "/b".into()],
        ..Request::post("/", "body")
    };
    let expect = Expect::new(|sent, answer| answer.body == format!("{}body", sent.path).as_bytes());
    let load = |target| Load {
        expect: Some(expect),
        connections: 2,
        ..Load::new(target, request)
    };
    let tally = tally(load, 20, |asked| {
        Act::Send(answer(&format!(
            "{}{}",
            asked.path(),
            String::from_utf8_lossy(&asked.body)
        )))
    })
    .await;
    assert!(tally.is_clean(), "{tally}");
}

#[tokio::test]
async fn other_statuses_are_counted_but_not_ok() {
    let tally = tally(get, 2, |_| {
        Act::Send("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno".into())
    })
    .await;
    assert_eq!((tally.ok, tally.status(503), tally.unexpected), (0, 2, 0));
    assert!(
        tally.notes.first().unwrap().contains("answered 503: no"),
        "{tally}"
    );
}

#[tokio::test]
async fn load_goes_on_until_it_is_stopped_and_loses_nothing() {
    let answered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&answered);
    let server = Server::start(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Act::Send(answer("x"))
    })
    .await;

    let running = Load {
        connections: 4,
        ..get(server.address)
    }
    .start();
    running.answers(50, SOON).await.unwrap();
    running.answers(50, SOON).await.unwrap();
    let tally = running.stop().await;

    assert!(tally.is_clean(), "{tally}");
    assert!(tally.ok >= 100);
    assert_eq!(tally.ok, answered.load(Ordering::Relaxed));
}

#[tokio::test]
async fn waiting_for_answers_that_do_not_come_ends() {
    let server = Server::start(|_| Act::Hold).await;
    let running = get(server.address).start();
    let waited = running.answers(1, Duration::from_millis(20)).await;
    assert_eq!(
        waited.unwrap_err().to_string(),
        "0 answers of 1 came in time"
    );
}

#[tokio::test]
async fn a_rest_ends_with_the_load() {
    let server = Server::start(|_| Act::Send(answer("x"))).await;
    let running = Load {
        pause: Duration::from_hours(1),
        ..get(server.address)
    }
    .start();
    running.answers(1, SOON).await.unwrap();
    let tally = timeout(SOON, running.stop()).await.unwrap();
    assert_eq!(tally.ok, 1);
}

#[tokio::test]
async fn a_held_connection_is_open_until_the_server_closes_it() {
    let keeping = Server::start(|_| Act::Send(answer("x"))).await;
    let held = get(keeping.address).hold().await.unwrap();
    assert!(held.is_open());

    let leaving = Server::start(|_| Act::SendAndClose(answer("x"))).await;
    let held = get(leaving.address).hold().await.unwrap();
    let closed = async {
        while held.is_open() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, closed).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_about_to_close_is_not_held() {
    let wire = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(|_| Act::SendAndClose(wire.into())).await;
    let refused = get(server.address).hold().await.unwrap_err();
    assert!(matches!(refused, NotHeld::Closed(200)), "{refused}");
}

#[tokio::test]
#[should_panic(expected = "asserted by the test")]
async fn a_panic_in_the_expectation_reaches_the_test() {
    let expect = Some(Expect::new(|_, _| panic!("asserted by the test")));
    tally(
        |target| Load {
            expect,
            ..get(target)
        },
        1,
        |_| Act::Send(answer("x")),
    )
    .await;
}
