//! Carries the plans of `composer-core` out: with the fewest calls, each to a service that is treated
//! as for any other request, and with caches that hold nothing of one caller for another.
