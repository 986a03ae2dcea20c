//! Live conformance: a server or a client of any make, tested over its transport.
//!
//! [`runner`] plays a client against a server that offers the test applications
//! ([`oap_core::driver::test_apps`]); [`serve`] plays a server against a client that follows the
//! drill. Both send frames by hand and judge what comes back, clause by clause.

mod cases;
pub mod dial;
pub mod draft;
pub mod drill;
pub mod facts;
pub mod peer;
pub mod report;
mod rules;
pub mod runner;
pub mod serve;
pub mod transcript;
pub mod verdict;
pub mod wire;

/// How many cases there are for servers.
pub fn case_count() -> usize {
    cases::all().count()
}
