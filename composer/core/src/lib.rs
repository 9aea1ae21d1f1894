//! How is one answer made of several, and which calls does that take?
//!
//! A declaration is compiled to a plan once; for every request the plan says which calls may go
//! out, what is to be looked up, and how the bytes of the answers become the bytes of one. No I/O,
//! no clock and no chance: whoever carries a plan out brings the time and what came back.
