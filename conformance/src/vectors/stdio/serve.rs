//! An implementation that is driven over its standard input.

use std::io::{self, BufRead, Write};

use super::{Answer, Begin, Order};
use crate::vectors::{Expect, Subject, SubjectError, Vector};

/// Answers each line of `input` on `output` until the input ends.
///
/// # Errors
/// What reading or writing fails with.
pub fn serve(
    subject: &mut dyn Subject,
    input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    for line in input.lines() {
        let answer = answer(subject, &line?);
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(subject: &mut dyn Subject, line: &str) -> Answer {
    let result = match serde_json::from_str(line) {
        Ok(Order::Begin(begin)) => subject.begin(&vector(begin)),
        Ok(Order::Act(action)) => subject.act(&action),
        Err(error) => Err(SubjectError::Broken(error.to_string())),
    };
    match result {
        Ok(report) => report.into(),
        Err(SubjectError::Skip(why)) => Answer {
            skip: Some(why),
            ..Answer::default()
        },
        Err(SubjectError::Broken(what)) => Answer {
            error: Some(what),
            ..Answer::default()
        },
    }
}

/// A vector without its steps: they come line by line.
fn vector(begin: Begin) -> Vector {
    Vector {
        name: begin.vector,
        clauses: begin.clauses,
        role: begin.role,
        config: begin.config,
        begin: Expect::default(),
        steps: Vec::new(),
    }
}
