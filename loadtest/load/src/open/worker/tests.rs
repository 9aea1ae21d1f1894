use super::*;
use std::net::TcpListener;
use std::path::Path;

/// Against somebody who listens and never answers.
fn scenario(listener: &TcpListener, rest: &str) -> Scenario {
    let text = format!(
        "target: http://{}\nlasts: 1s\nrate: 10\nrequests: [{{ name: all, get: /a }}]\n{rest}",
        listener.local_addr().unwrap()
    );
    Scenario::parse("test", &text, Path::new(".")).unwrap()
}

#[test]
fn so_many_wait_for_a_connection_and_one_more_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = scenario(&listener, "connections: 1");
    let mut worker = Worker::new(&scenario, Share::ALONE, Instant::now()).unwrap();
    // The first has the connection.
    for _ in 0..=WAITING_MAX {
        worker.hand_out(Ticket::default());
    }
    assert_eq!(worker.record.sum().failures.dropped, 0);
    worker.hand_out(Ticket::default());
    assert_eq!(worker.record.sum().failures.dropped, 1);
    assert_eq!((worker.sent, worker.failed), (1, 1));
    // Whoever waits to the end is not forgotten.
    worker.give_up();
    let failures = worker.record.sum().failures;
    assert_eq!(failures.timeout, WAITING_MAX as u64 + 1);
}

#[test]
fn what_is_not_answered_in_time_is_given_up_and_its_connection_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = scenario(&listener, "connections: 2\ntimeout: 200ms");
    let shared = Shared {
        scenario,
        stop: AtomicBool::new(false),
        counts: vec![Counts::default()],
    };
    let began = Instant::now();
    let record = run(&shared, Share::ALONE, began).unwrap();
    assert_eq!(record.sum().failures.timeout, 10);
    // Each was waited for as long as it was said, and the next one was sent on a new connection.
    assert!(
        began.elapsed() > Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(record.connects, 10);
}
