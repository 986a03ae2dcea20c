//! Plays a vector to an implementation.

use super::check::{Mismatch, check};
use super::{Action, Bytes, Flags, Frame, Output, Report, Subject, SubjectError, Vector};

/// How the bytes of an input are handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// At once.
    Whole,
    /// One by one; what lies beyond the first 4 KiB of an input in pieces of 1,021.
    Bytes,
}

/// What came of a vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything was as it is due.
    Passed,
    /// The implementation does not do this.
    Skipped(String),
    /// Something was not as it is due, or the implementation did not answer.
    Failed(Failure),
}

/// Where a vector failed and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The step, counted from 1; 0 is the beginning.
    pub step: usize,
    /// What was not as it is due.
    pub what: String,
}

/// Pieces of an input beyond its first [`FINE`] bytes.
const PIECE: usize = 1_021;
const FINE: usize = 4_096;

/// Plays a vector and judges every step.
pub fn run(vector: &Vector, subject: &mut dyn Subject, split: Split) -> Outcome {
    let mut player = Player {
        subject,
        split,
        ping: 0,
    };
    match player.play(vector) {
        Ok(()) => Outcome::Passed,
        Err((_, Problem::Subject(SubjectError::Skip(why)))) => Outcome::Skipped(why),
        Err((step, Problem::Subject(SubjectError::Broken(what)))) => {
            Outcome::Failed(Failure { step, what })
        }
        Err((step, Problem::Mismatch(Mismatch(what)))) => Outcome::Failed(Failure { step, what }),
    }
}

struct Player<'a> {
    subject: &'a mut dyn Subject,
    split: Split,
    /// The nonce of the newest PING.
    ping: u64,
}

enum Problem {
    Subject(SubjectError),
    Mismatch(Mismatch),
}

impl From<SubjectError> for Problem {
    fn from(error: SubjectError) -> Self {
        Self::Subject(error)
    }
}

impl From<Mismatch> for Problem {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl Player<'_> {
    fn play(&mut self, vector: &Vector) -> Result<(), (usize, Problem)> {
        let at = |step| move |problem: Problem| (step, problem);
        let report = self.subject.begin(vector).map_err(Problem::from);
        let report = report.map_err(at(0))?;
        check(&vector.begin, &report).map_err(|mismatch| (0, mismatch.into()))?;
        for (index, step) in vector.steps.iter().enumerate() {
            let index = index + 1;
            let report = self
                .act(&step.action)
                .map_err(|error| (index, error.into()))?;
            check(&step.expect, &report).map_err(|mismatch| (index, mismatch.into()))?;
            self.note_ping(&report);
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<Report, SubjectError> {
        match action {
            Action::Input { lane, bytes } => self.input(*lane, &bytes.expand()),
            Action::Pong => {
                let pong = Frame {
                    flags: Flags::EVENT,
                    code: 202,
                    corr: self.ping,
                    ..Frame::default()
                };
                self.input(0, &pong.bytes())
            }
            action => self.subject.act(action),
        }
    }

    fn input(&mut self, lane: u16, bytes: &[u8]) -> Result<Report, SubjectError> {
        let mut whole = Report::default();
        let (fine, coarse) = bytes.split_at(match self.split {
            Split::Whole => 0,
            Split::Bytes => bytes.len().min(FINE),
        });
        let coarse_piece = match self.split {
            Split::Whole => bytes.len().max(1),
            Split::Bytes => PIECE,
        };
        for piece in fine.chunks(1).chain(coarse.chunks(coarse_piece)) {
            whole.extend(self.subject.act(&Action::Input {
                lane,
                bytes: Bytes::plain(piece),
            })?);
        }
        Ok(whole)
    }

    /// Remembers the nonce of a PING, for the step that answers it.
    fn note_ping(&mut self, report: &Report) {
        for Output { bytes, .. } in &report.output {
            let bytes = bytes.expand();
            let mut rest = &bytes[..];
            while let Ok(Some(frame)) = Frame::take(&mut rest) {
                let ping = frame.flags.has(Flags::EVENT | Flags::ACK_REQ);
                if frame.app == 0 && ping && frame.code == 0 {
                    self.ping = frame.corr;
                }
            }
        }
    }
}
