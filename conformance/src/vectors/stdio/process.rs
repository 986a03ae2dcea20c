//! An implementation in a process of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::{Answer, Begin, BeginTag, Order};
use crate::vectors::{Action, Report, Subject, SubjectError, Vector};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that speaks the line protocol on its standard input and output.
///
/// Dropping it ends the program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<String>>,
    /// It has not answered, or not with a report.
    broken: bool,
}

impl Process {
    /// Starts a program with these arguments. What it writes to its standard error is passed on.
    ///
    /// # Errors
    /// What starting it fails with.
    pub fn start(program: &str, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input,
            lines,
            broken: false,
        })
    }

    /// Whether the program has failed to answer, so that nothing more can be asked of it.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    fn ask(&mut self, order: &Order) -> Result<Report, SubjectError> {
        let answer = self.exchange(order).map_err(|what| {
            self.broken = true;
            SubjectError::Broken(what)
        })?;
        match answer {
            Answer {
                skip: Some(why), ..
            } => Err(SubjectError::Skip(why)),
            Answer {
                error: Some(what), ..
            } => Err(SubjectError::Broken(what)),
            answer => Ok(Report {
                output: answer.output,
                events: answer.events,
                paused: answer.paused,
                refused: answer.refused,
            }),
        }
    }

    /// One line there, one line back.
    fn exchange(&mut self, order: &Order) -> Result<Answer, String> {
        self.write(order)
            .map_err(|error| format!("the program takes no line: {error}"))?;
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line.map_err(|error| format!("its line cannot be read: {error}"))?,
            Err(RecvTimeoutError::Timeout) => return Err("no answer in time".into()),
            Err(RecvTimeoutError::Disconnected) => return Err("the program has ended".into()),
        };
        serde_json::from_str(&line).map_err(|error| format!("its line is no report: {error}"))
    }

    fn write(&mut self, order: &Order) -> io::Result<()> {
        let input = self.input.as_mut().expect("open until it is dropped");
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        input.write_all(&line)?;
        input.flush()
    }
}

impl Subject for Process {
    fn begin(&mut self, vector: &Vector) -> Result<Report, SubjectError> {
        self.ask(&Order::Begin(Begin {
            what: BeginTag::Begin,
            vector: vector.name.clone(),
            clauses: vector.clauses.clone(),
            role: vector.role,
            config: vector.config.clone(),
        }))
    }

    fn act(&mut self, action: &Action) -> Result<Report, SubjectError> {
        self.ask(&Order::Act(action.plain()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
