//! What the rules promise, seen from outside.

mod beats;
