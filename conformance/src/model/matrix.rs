//! Which frame came in which state: the server's table of the specification (section 3), what has
//! to come of each cell, and how often each was visited.

use std::fmt;

use oap_core::wire::{Flags, Header, MAX_FRAME};
use oap_core::{Code, Connection, Reason, Role};

/// The columns: REQ frames by START and END, then what else names an exchange.
pub const KINDS: [&str; 8] = [
    "REQ",
    "REQ|START",
    "REQ|END",
    "REQ|START|END",
    "EVENT",
    "REQ|RESP",
    "CANCEL",
    "ACK",
];
const ROWS: usize = Connection::REQUEST_STATES.len();

/// What a server has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Open an exchange, or refuse to.
    Open,
    /// Take it.
    Deliver,
    /// Drop it without a word.
    Discard,
    /// End what is open, or answer: 400 `bad_sequence`.
    Fault,
    /// Drop an EVENT, at the cost of a token (OAP-7-4).
    Charge,
    /// Ignore and count it.
    Ignore,
    /// End the exchange.
    End,
    /// Credit, or nothing; a false one is fatal.
    Credit,
}

/// OAP-2-3, OAP-2-5, OAP-3-2, OAP-3-10 to OAP-3-15, OAP-4-8, OAP-4-10, OAP-6-15, OAP-7-4.
const RULES: [[Rule; KINDS.len()]; ROWS] = {
    use Rule::{Charge, Credit, Deliver, Discard, End, Fault, Ignore, Open};
    [
        // Unknown, late, parked, open, half closed, answered.
        [Fault, Open, Fault, Open, Charge, Fault, Ignore, Ignore],
        [Discard, Open, Discard, Open, Charge, Fault, Ignore, Ignore],
        [Deliver, Fault, Deliver, Fault, Fault, Fault, End, Credit],
        [Deliver, Fault, Deliver, Fault, Fault, Fault, End, Credit],
        [Fault, Fault, Fault, Fault, Fault, Fault, End, Credit],
        [Discard, Fault, Discard, Fault, Fault, Fault, End, Credit],
    ]
};

/// One cell: a state and a kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    row: usize,
    column: usize,
}

/// A server just before it decodes a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    cell: Cell,
    seen: Seen,
}

/// The counters that tell what was done.
#[derive(Clone, Copy, Debug)]
struct Seen {
    opened: u64,
    late: u64,
    charged: u64,
    ignored: u64,
    sequence: u32,
    refused: u64,
}

/// Looks at a server and the frame that it is about to take; `None` if no cell stands for that.
pub(super) fn look(connection: &Connection, frame: &[u8]) -> Option<Look> {
    let header = Header::parse(frame.first_chunk()?, MAX_FRAME).ok()?;
    let whole = frame.len() >= header.frame_len();
    if connection.role() != Role::Server || connection.is_closed() || header.corr_id == 0 || !whole
    {
        return None;
    }
    let cell = Cell {
        row: connection.request_state(header.corr_id),
        column: column(&header)?,
    };
    Some(Look {
        cell,
        seen: Seen::of(connection),
    })
}

fn column(header: &Header) -> Option<usize> {
    let flags = header.flags;
    let directions = flags.directions();
    if header.app_proto_id == 0 {
        let code = header.code;
        return match directions {
            Flags::EVENT if (400..600).contains(&code.get()) => Some(6),
            Flags::RESP if code == Code::ACK => Some(7),
            _ => None,
        };
    }
    match directions {
        Flags::REQ => {
            let start = usize::from(flags.contains(Flags::START));
            Some(start + 2 * usize::from(flags.contains(Flags::END)))
        }
        Flags::EVENT => Some(4),
        both if both.contains(Flags::REQ) => Some(5),
        _ => None,
    }
}

impl Look {
    /// Compares what was done with what the table says.
    pub(super) fn judge(self, connection: &Connection) -> Result<Cell, String> {
        let (before, after) = (self.seen, Seen::of(connection));
        let opened = after.opened - before.opened;
        let late = after.late - before.late;
        let charged = after.charged - before.charged;
        let ignored = after.ignored - before.ignored;
        let sequence = after.sequence - before.sequence;
        let refused = after.refused - before.refused;
        let quiet = opened + late + charged + ignored == 0;
        let rule = RULES[self.cell.row][self.cell.column];
        let done = match rule {
            Rule::Open => opened + refused == 1 && sequence == 0 && late + charged + ignored == 0,
            Rule::Deliver => quiet,
            Rule::Discard => late == 1 && opened + refused == 0,
            Rule::Fault => sequence >= 1 && quiet,
            Rule::Charge => charged == 1 && opened + late == 0,
            Rule::Ignore => ignored == 1 && opened + refused == 0,
            Rule::End => quiet && refused == 0,
            Rule::Credit => opened + late + charged == 0,
        };
        if done {
            Ok(self.cell)
        } else {
            Err(format!(
                "{} in the state {}: not what the table says, {rule:?}",
                KINDS[self.cell.column],
                Connection::REQUEST_STATES[self.cell.row]
            ))
        }
    }
}

impl Seen {
    fn of(connection: &Connection) -> Self {
        let counters = connection.counters();
        Self {
            opened: counters.exchanges_opened,
            late: counters.late_frames,
            charged: counters.discarded_events,
            ignored: counters.ignored_control,
            sequence: counters.refused(Reason::BadSequence),
            refused: counters.refused_total(),
        }
    }
}

/// How often each cell was visited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix([[u64; KINDS.len()]; ROWS]);

impl Matrix {
    /// Counts one visit.
    pub fn add(&mut self, cell: Cell) {
        self.0[cell.row][cell.column] += 1;
    }

    /// Adds the visits of another.
    pub fn merge(&mut self, other: &Self) {
        for (row, others) in self.0.iter_mut().zip(&other.0) {
            for (count, other) in row.iter_mut().zip(others) {
                *count += other;
            }
        }
    }

    /// The cells that were never visited.
    pub fn missing(&self) -> Vec<String> {
        let cells = (0..ROWS).flat_map(|row| (0..KINDS.len()).map(move |column| (row, column)));
        let never = cells.filter(|&(row, column)| self.0[row][column] == 0);
        never
            .map(|(row, column)| {
                format!("{} in {}", KINDS[column], Connection::REQUEST_STATES[row])
            })
            .collect()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}", "state")?;
        for kind in KINDS {
            write!(f, " {kind:>13}")?;
        }
        for (name, counts) in Connection::REQUEST_STATES.iter().zip(&self.0) {
            write!(f, "\n{name:<12}")?;
            for count in counts {
                write!(f, " {count:>13}")?;
            }
        }
        Ok(())
    }
}
