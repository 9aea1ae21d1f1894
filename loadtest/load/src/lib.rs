//! Load and measurement: what does the gateway answer, and what does it cost, while it is busy?
//!
//! [`closed`] is a closed-loop HTTP/1.1 client for tests that need steady load while something
//! happens to a server. [`ledger`] compares what clients sent with what services heard, and
//! [`faults`] breaks the connections between them. [`mod@bench`] measures the gateway beside its
//! peers on this machine.
//!
//! Nothing here is linked into the gateway, and nothing here trusts it: answers and requests are
//! parsed by the small strict parser of this crate, not by the HTTP library the gateway is built on.

pub mod bench;
pub mod closed;
pub mod faults;
pub mod fleet;
pub mod ledger;
pub mod revocation;

mod dice;
mod http1;
mod process;
