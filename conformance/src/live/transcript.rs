//! What went over a connection, for the report of a failure.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

use oap_core::Code;
use oap_core::wire::{Flags, HEADER_LEN, Header, VERSION};
use tokio::time::Instant;

/// Bytes of a payload that are kept to be shown.
const SHOWN: usize = 48;
/// Lines kept from the beginning, and as many from the end.
const KEPT: usize = 24;

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The suite.
    Sent,
    /// The implementation under test.
    Came,
    /// Nobody: something happened.
    Note,
}

/// The lines of one connection, of which a long middle is left out.
#[derive(Clone, Debug)]
pub struct Transcript {
    began: Instant,
    first: Vec<Line>,
    last: VecDeque<Line>,
    left_out: usize,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Since the connection was there.
    pub at: Duration,
    /// Who sent it.
    pub way: Way,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// As many bytes as are shown, and how many there were.
    Bytes(Vec<u8>, usize),
    Text(String),
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
        }
    }
}

impl Transcript {
    /// Bytes of one frame, or of what was to be one.
    pub(crate) fn bytes(&mut self, way: Way, bytes: &[u8]) {
        let kept = bytes[..bytes.len().min(HEADER_LEN + SHOWN)].to_vec();
        self.push(way, What::Bytes(kept, bytes.len()));
    }

    /// Something that happened.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.push(Way::Note, What::Text(text.into()));
    }

    /// The lines to be shown.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.first.iter().map(Line::to_string).collect();
        if self.left_out > 0 {
            lines.push(format!("            ({} lines left out)", self.left_out));
        }
        lines.extend(self.last.iter().map(Line::to_string));
        lines
    }

    fn push(&mut self, way: Way, what: What) {
        let at = self.began.elapsed();
        let line = Line { at, way, what };
        if self.first.len() < KEPT {
            return self.first.push(line);
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.way {
            Way::Sent => "->",
            Way::Came => "<-",
            Way::Note => "--",
        };
        write!(f, "{:>8.3} s {mark} ", self.at.as_secs_f64())?;
        match &self.what {
            What::Bytes(bytes, len) => f.write_str(&describe(bytes, *len)),
            What::Text(text) => f.write_str(text),
        }
    }
}

/// One line for a frame of `len` bytes that begins with `bytes`.
pub fn describe(bytes: &[u8], len: usize) -> String {
    let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
        return format!("{len} bytes: {}", hex(bytes, len));
    };
    let mut plain = *head;
    plain[4] = VERSION;
    // What is shown here may break every rule.
    let header = lenient(&plain);
    let mut text = format!(
        "{:?} code {} app 0x{:04x} corr {}",
        header.flags,
        header.code.get(),
        header.app_proto_id,
        header.corr_id
    );
    if head[4] != VERSION {
        let _ = write!(text, " ver {}", head[4]);
    }
    if header.tenant_id != 0 {
        let _ = write!(text, " tenant {:x}", header.tenant_id);
    }
    if header.cap_len > 0 {
        let _ = write!(text, " cap_len {}", header.cap_len);
    }
    let rest = len - HEADER_LEN;
    let _ = write!(text, " len {}", header.len);
    if rest > 0 {
        let _ = write!(
            text,
            ", {rest} bytes: {}",
            readable(&bytes[HEADER_LEN..], rest)
        );
    }
    text
}

fn lenient(bytes: &[u8; HEADER_LEN]) -> Header {
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let mut tenant = [0; 16];
    tenant.copy_from_slice(&bytes[11..27]);
    let mut corr = [0; 8];
    corr.copy_from_slice(&bytes[29..37]);
    let mut len = [0; 4];
    len.copy_from_slice(&bytes[..4]);
    Header {
        len: u32::from_le_bytes(len),
        flags: Flags::from_bits(u16_at(5)),
        code: Code::new(u16_at(7)),
        app_proto_id: u16_at(9),
        tenant_id: u128::from_le_bytes(tenant),
        cap_len: u16_at(27),
        corr_id: u64::from_le_bytes(corr),
    }
}

/// Text where it is text, hex otherwise.
fn readable(bytes: &[u8], len: usize) -> String {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if !bytes.iter().all(printable) {
        return hex(bytes, len);
    }
    let dots = if bytes.len() < len { "..." } else { "" };
    format!("{}{dots}", String::from_utf8_lossy(bytes))
}

fn hex(bytes: &[u8], len: usize) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let mut text = String::new();
    for byte in shown {
        let _ = write!(text, "{byte:02x}");
    }
    if shown.len() < len {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::draft::Draft;

    #[test]
    fn a_frame_is_shown_by_its_fields_and_a_short_payload() {
        let frame = Draft::request(0x0f01, 7, b"hello").tenant(0x2a).bytes();
        assert_eq!(
            describe(&frame, frame.len()),
            "REQ|START|END code 0 app 0x0f01 corr 7 tenant 2a len 38, 5 bytes: hello"
        );
        let frame = Draft::start(1, 2, &[0; 100]).ver(9).bytes();
        let shown = describe(&frame[..HEADER_LEN + SHOWN], frame.len());
        assert!(
            shown.contains(" ver 9 ") && shown.ends_with("00..."),
            "{shown}"
        );
        assert_eq!(describe(&[1, 2], 2), "2 bytes: 0102");
    }

    #[tokio::test]
    async fn of_many_lines_the_first_and_the_last_are_kept() {
        let mut transcript = Transcript::default();
        for at in 0..100 {
            transcript.note(format!("line {at}"));
        }
        let lines = transcript.lines();
        assert_eq!(lines.len(), 2 * KEPT + 1);
        assert!(lines[0].ends_with("line 0") && lines[2 * KEPT].ends_with("line 99"));
        assert!(lines[KEPT].contains("52 lines left out"));
    }
}
