//! What Tollgate promises, and the rules this repository keeps, as tests.

mod tidy;
