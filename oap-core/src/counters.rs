//! What a connection has counted.

use crate::Reason;

/// Totals of one connection since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Whole frames received.
    pub frames_received: u64,
    /// Bytes of whole frames received.
    pub bytes_received: u64,
    /// Control frames among those received (OAP-4).
    pub control_received: u64,
    /// Events among those received (OAP-7).
    pub events_received: u64,
    /// Frames encoded.
    pub frames_sent: u64,
    /// Control frames among those sent, answers to refused requests too.
    pub control_sent: u64,
    /// Events among those sent.
    pub events_sent: u64,
    /// Bytes of frames encoded.
    pub bytes_sent: u64,
    /// Frames with a reserved flag bit (OAP-2-1).
    pub reserved_flags: u64,
    /// Control frames that mean nothing here (OAP-4-3, OAP-4-10, OAP-6-15).
    pub ignored_control: u64,
    /// Frames of exchanges that had ended (OAP-3-14, OAP-3-20).
    pub late_frames: u64,
    /// EVENT frames of exchanges that are not open (OAP-7-4).
    pub discarded_events: u64,
    /// Exchanges opened.
    pub exchanges_opened: u64,
    /// Bytes that inflating has produced.
    pub inflated_bytes: u64,
    refused: [u32; Reason::COUNT],
}

impl Counters {
    /// How many frames, exchanges or connections were refused for this reason.
    pub const fn refused(&self, reason: Reason) -> u32 {
        let at = reason as usize;
        if at < self.refused.len() {
            self.refused[at]
        } else {
            0
        }
    }

    /// How many were refused in all.
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().map(|&count| u64::from(count)).sum()
    }

    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.frames_sent += 1;
        self.bytes_sent += bytes as u64;
    }

    pub(crate) fn refuse(&mut self, reason: Reason) {
        if let Some(count) = self.refused.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}
