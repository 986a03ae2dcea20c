//! The vectors notice what goes wrong: an endpoint with one thing changed fails every vector in
//! which that thing happens.

use oap_conformance::vectors::{
    Action, Bytes, CoreSubject, Event, Flags, Frame, Outcome, Output, Report, Split, Subject,
    SubjectError, Vector, run,
};

/// One change of the first report that allows it.
#[derive(Clone, Copy, Debug)]
enum Change {
    LoseFrame,
    LoseEvent,
    AddFrame,
    AddEvent,
    /// Of the first frame.
    OtherCode,
    OtherFlags,
    OtherTenant,
    OtherRefusal,
}

const CHANGES: [Change; 8] = [
    Change::LoseFrame,
    Change::LoseEvent,
    Change::AddFrame,
    Change::AddEvent,
    Change::OtherCode,
    Change::OtherFlags,
    Change::OtherTenant,
    Change::OtherRefusal,
];

struct Mutant {
    core: CoreSubject,
    change: Change,
    changed: bool,
}

impl Mutant {
    fn tell(&mut self, mut report: Report) -> Report {
        if !self.changed {
            self.changed = self.change.apply(&mut report);
        }
        report
    }
}

impl Subject for Mutant {
    fn begin(&mut self, vector: &Vector) -> Result<Report, SubjectError> {
        let report = self.core.begin(vector)?;
        Ok(self.tell(report))
    }

    fn act(&mut self, action: &Action) -> Result<Report, SubjectError> {
        let report = self.core.act(action)?;
        Ok(self.tell(report))
    }
}

impl Change {
    /// Whether there was something to change.
    fn apply(self, report: &mut Report) -> bool {
        match self {
            Self::LoseFrame if report.output.is_empty() => return false,
            Self::LoseFrame => drop(report.output.remove(0)),
            Self::LoseEvent if report.events.is_empty() => return false,
            Self::LoseEvent => drop(report.events.remove(0)),
            Self::AddFrame => report.output.push(Output {
                lane: 0,
                bytes: Bytes::plain(&surplus().bytes()),
            }),
            Self::AddEvent => report.events.push(Event::Pong),
            Self::OtherRefusal => report.refused ^= true,
            Self::OtherFlags => return flip(report, 5, 0x40),
            Self::OtherCode => return flip(report, 7, 1),
            Self::OtherTenant => return flip(report, 26, 0x80),
        }
        true
    }
}

/// A PONG that answers nothing.
fn surplus() -> Frame {
    Frame {
        flags: Flags::EVENT,
        code: 202,
        corr: 0xdead,
        ..Frame::default()
    }
}

/// Flips bits of one byte of the first frame.
fn flip(report: &mut Report, at: usize, bits: u8) -> bool {
    let Some(output) = report.output.first_mut() else {
        return false;
    };
    let mut bytes = output.bytes.expand();
    bytes[at] ^= bits;
    output.bytes = Bytes::plain(&bytes);
    true
}

#[test]
fn an_endpoint_with_one_thing_changed_fails() {
    let mut tried = 0;
    for vector in super::vectors() {
        for change in CHANGES {
            let mut mutant = Mutant {
                core: CoreSubject::default(),
                change,
                changed: false,
            };
            let outcome = run(&vector, &mut mutant, Split::Whole);
            let failed = matches!(outcome, Outcome::Failed(_));
            assert_eq!(failed, mutant.changed, "{} with {change:?}", vector.name);
            tried += usize::from(mutant.changed);
        }
    }
    println!("{tried} changes, all noticed");
}
