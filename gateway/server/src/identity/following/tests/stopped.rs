//! A process that was stopped must not go on where it was: not for one request.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use idp_token::lease::{Tolerance, Trust};

use super::site::Site;
use crate::clock;

const LEASE: Duration = Duration::from_secs(1);
/// No scheduler keeps a process that runs waiting for so long.
const STOPPED: Duration = Duration::from_secs(2);
const AS_A_CHILD: &str = "as-a-child";

/// The test that is stopped, in a process of its own that ends with this.
struct Stoppable(Child);

impl Stoppable {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test =
            "identity::following::tests::stopped::the_process_that_is_stopped_looks_at_its_lease";
        // A second filter that is no name of a test: so it reaches the test unseen.
        command.args(["--exact", "--nocapture", test, AS_A_CHILD]);
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_was_stopped_for_longer_than_its_lease_serves_nothing_from_before() {
    let mut child = Stoppable::start();
    let said = BufReader::new(child.0.stdout.take().unwrap());
    let mut lines = said.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("looking")));
    child.signal("STOP");
    // sleeps: what is tested is the passing of time
    std::thread::sleep(STOPPED + LEASE);
    child.signal("CONT");
    let verdict = lines.find(|line| line.contains("looked"));
    assert_eq!(verdict.as_deref(), Some("looked: Ask, then void: true"));
}

/// Does nothing unless it is run by the test above.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_process_that_is_stopped_looks_at_its_lease() {
    if std::env::args().next_back().as_deref() != Some(AS_A_CHILD) {
        return;
    }
    let site = Site::start_fresh(None, LEASE).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    println!("looking");
    // A request may be at this very place: it looks at the clock, and at what it says about the lease.
    let mut before = clock::boot();
    let trust = loop {
        let now = clock::boot();
        let trust = site.following.knowledge.trust(Tolerance::Strict, now);
        if now.0 - before.0 > STOPPED {
            break trust;
        }
        before = now;
    };
    let is_fresh_again = |it: &Site| it.trust(Tolerance::Strict) == Trust::Fresh;
    site.until("it is trusted again", is_fresh_again).await;
    println!("looked: {trust:?}, then void: {}", !site.holds(&found));
}
