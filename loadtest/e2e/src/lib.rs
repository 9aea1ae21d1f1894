//! The promises Tollgate makes and the rules this repository keeps, each as a test in `tests/it`.
//!
//! The crate itself is empty: it exists to stand above every other crate.
