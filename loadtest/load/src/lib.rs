//! Load and measurement: what does the gateway answer, and what does it cost, while it is busy?
//!
//! [`closed`] is a closed-loop HTTP/1.1 client for tests that need steady load while something
//! happens to a server, [`open`] an open loop for whoever measures one. [`ledger`] compares what clients sent with what services heard, and
//! [`faults`] breaks the connections between them; [`fleet`] starts whole processes around them, and
//! [`revocation`] watches what these let through. [`mod@bench`] measures the gateway beside its peers
//! on this machine.
//!
//! Nothing here has a part in serving, and nothing here trusts what does: answers and requests are
//! parsed by parsers of this crate, not by the HTTP library the gateway is built on.

pub mod bench;
pub mod closed;
pub mod faults;
pub mod fleet;
pub mod ledger;
pub mod open;
pub mod revocation;

mod dice;
mod http1;
mod process;
