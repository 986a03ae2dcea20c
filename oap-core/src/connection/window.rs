//! Credit of one direction of one exchange (OAP-6); answers and events share it (OAP-7-3).

/// The receiver's side.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct RecvWindow {
    received: u64,
    consumed: u64,
    /// The absolute limit that the peer knows.
    limit: u64,
}

impl RecvWindow {
    pub(crate) const fn new(window: u32) -> Self {
        Self {
            received: 0,
            consumed: 0,
            limit: window as u64,
        }
    }

    /// Whether `bytes` more stay within the limit (OAP-6-13).
    pub(crate) const fn admits(&self, bytes: usize) -> bool {
        self.received.saturating_add(bytes as u64) <= self.limit
    }

    pub(crate) fn receive(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
    }

    /// Returns whether an ACK is due: half of `threshold` is consumed beyond the last one (OAP-6-8).
    pub(crate) fn consume(&mut self, bytes: usize, window: u32, threshold: u32) -> bool {
        self.consumed = self
            .consumed
            .saturating_add(bytes as u64)
            .min(self.received);
        // The last ACK told a limit of what was consumed then, and a window.
        let next_limit = self.consumed.saturating_add(u64::from(window));
        next_limit.saturating_sub(self.limit) * 2 >= u64::from(threshold)
    }

    /// Whether no more was consumed than came, and, of a peer that keeps to it, came than the limit.
    #[cfg(feature = "testing")]
    pub(crate) const fn is_sound(&self, limited: bool) -> bool {
        self.consumed <= self.received && (!limited || self.received <= self.limit)
    }

    /// The first limit turns out higher than was assumed.
    pub(crate) fn raise(&mut self, window: u32) {
        self.limit = self.limit.max(u64::from(window));
    }

    /// The numbers of the next ACK: consumed, limit. Both only ever grow (OAP-6-9). No more than the
    /// window is granted, so the sum of all is within the budget (OAP-6-10).
    pub(crate) fn acknowledge(&mut self, window: u32) -> (u64, u64) {
        self.limit = self
            .limit
            .max(self.consumed.saturating_add(u64::from(window)));
        (self.consumed, self.limit)
    }
}

/// The sender's side.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct SendWindow {
    sent: u64,
    consumed: u64,
    /// The greatest limit that the peer has given, the first one included.
    limit: u64,
}

impl SendWindow {
    pub(crate) const fn new(window: u32) -> Self {
        Self {
            sent: 0,
            consumed: 0,
            limit: window as u64,
        }
    }

    /// Bytes that may still be sent.
    pub(crate) const fn credit(&self) -> usize {
        let credit = self.limit.saturating_sub(self.sent);
        if credit > usize::MAX as u64 {
            usize::MAX
        } else {
            credit as usize
        }
    }

    /// Whether credit is not below nothing, and no more is acknowledged than was sent.
    #[cfg(feature = "testing")]
    pub(crate) const fn is_sound(&self) -> bool {
        self.consumed <= self.sent && self.sent <= self.limit
    }

    /// The greatest limit that the peer has given.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn send(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// The first limit turns out higher than was assumed.
    pub(crate) fn raise(&mut self, window: u32) {
        self.limit = self.limit.max(u64::from(window));
    }

    /// Takes an ACK; false if it acknowledges what was never sent, or if one of its numbers is below
    /// that of an earlier ACK (OAP-6-14). The limit may be below the first one, which then stands,
    /// until `acked` tells that an ACK has passed that.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, consumed: u64, limit: u64, acked: bool) -> bool {
        let back = acked && limit < self.limit || consumed < self.consumed;
        if back || consumed > self.sent {
            return false;
        }
        self.consumed = consumed;
        self.limit = self.limit.max(limit);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_the_limit_less_what_was_sent() {
        let mut window = SendWindow::new(100);
        window.send(60);
        assert_eq!(window.credit(), 40);
        assert!(window.acknowledge(60, 160, false));
        assert_eq!(window.credit(), 100);
    }

    #[test]
    fn an_ack_of_bytes_never_sent_or_one_that_goes_back_is_refused_and_changes_nothing() {
        let mut window = SendWindow::new(100);
        window.send(60);
        assert!(window.acknowledge(50, 150, false));
        for (consumed, limit) in [(61, 200), (49, 200), (55, 149)] {
            assert!(!window.acknowledge(consumed, limit, true));
        }
        assert_eq!(window.credit(), 90);
        assert!(window.acknowledge(50, 150, true));
    }

    #[test]
    fn a_limit_below_the_first_one_lowers_nothing() {
        let mut window = SendWindow::new(100);
        window.send(60);
        assert!(window.acknowledge(10, 40, false));
        assert_eq!(window.credit(), 40);
        assert!(!window.acknowledge(9, 100, false));
    }

    #[test]
    fn an_ack_is_due_at_half_a_window() {
        let mut window = RecvWindow::new(100);
        assert!(window.admits(100) && !window.admits(101));
        window.receive(100);
        assert!(!window.admits(1));
        assert!(!window.consume(49, 100, 100));
        assert!(window.consume(1, 100, 100));
        assert_eq!(window.acknowledge(100), (50, 150));
        assert!(!window.consume(49, 100, 100));
        assert!(window.admits(50) && !window.admits(51));
    }
}
