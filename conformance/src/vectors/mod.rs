//! Test vectors: what goes into one endpoint, and what must come out of it.
//!
//! The files lie in `conformance/vectors`, one per section of the specification; `docs/conformance`
//! describes them. A [`Subject`] is an implementation under test; [`run`] plays a vector to it and
//! judges what it reports. [`CoreSubject`] is `oap-core`, [`Process`] anything that speaks the line
//! protocol of the stdio mode.

mod check;

mod files;
mod frame;
mod model;
mod reasons;
mod report;
mod run;
mod stdio;
mod subject;

pub use check::{Mismatch, check};
pub use files::{Set, embedded};
pub use frame::{Flags, Frame, HEADER_LEN};
pub use model::{
    Ack, Action, Bytes, Cause, Config, Due, DueBody, Event, Expect, File, HelloBody, Role, Start,
    Step, Timers, Vector, Verdict,
};
pub use report::{Output, Report, Subject, SubjectError};
pub use run::{Failure, Outcome, Split, run};
pub use stdio::{Process, serve};
pub use subject::CoreSubject;
