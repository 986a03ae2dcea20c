//! Credit of one direction of one exchange (OAP-6).

/// The receiver's side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecvWindow {
    received: u64,
    consumed: u64,
    acknowledged: u64,
    /// The absolute limit that the peer knows.
    limit: u64,
}

impl RecvWindow {
    pub(crate) const fn new(window: u32) -> Self {
        Self {
            received: 0,
            consumed: 0,
            acknowledged: 0,
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

    /// Returns whether half a window is consumed beyond the last acknowledgement (OAP-6-8).
    pub(crate) fn consume(&mut self, bytes: usize, window: u32) -> bool {
        self.consumed = self
            .consumed
            .saturating_add(bytes as u64)
            .min(self.received);
        (self.consumed - self.acknowledged) * 2 >= u64::from(window)
    }

    /// The first limit turns out higher than was assumed.
    pub(crate) fn raise(&mut self, window: u32) {
        self.limit = self.limit.max(u64::from(window));
    }

    /// The numbers of the next ACK: consumed, limit. Both only ever grow.
    pub(crate) fn acknowledge(&mut self, window: u32) -> (u64, u64) {
        self.acknowledged = self.consumed;
        self.limit = self
            .limit
            .max(self.consumed.saturating_add(u64::from(window)));
        (self.consumed, self.limit)
    }
}

/// The sender's side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SendWindow {
    sent: u64,
    consumed: u64,
    /// The greatest limit that the peer has given, the first one included.
    limit: u64,
    /// The limit of the latest ACK.
    acknowledged: u64,
}

impl SendWindow {
    pub(crate) const fn new(window: u32) -> Self {
        Self {
            sent: 0,
            consumed: 0,
            limit: window as u64,
            acknowledged: 0,
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

    pub(crate) fn send(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// The first limit turns out higher than was assumed.
    pub(crate) fn raise(&mut self, window: u32) {
        self.limit = self.limit.max(u64::from(window));
    }

    /// Takes an ACK; false if it acknowledges what was never sent, or if one of its numbers is below
    /// that of an earlier ACK (OAP-6-14).
    #[must_use]
    pub(crate) fn acknowledge(&mut self, consumed: u64, limit: u64) -> bool {
        if consumed > self.sent || consumed < self.consumed || limit < self.acknowledged {
            return false;
        }
        self.consumed = consumed;
        self.acknowledged = limit;
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
        assert!(window.acknowledge(60, 160));
        assert_eq!(window.credit(), 100);
    }

    #[test]
    fn an_ack_of_bytes_never_sent_or_one_that_goes_back_is_refused_and_changes_nothing() {
        let mut window = SendWindow::new(100);
        window.send(60);
        assert!(window.acknowledge(50, 150));
        for (consumed, limit) in [(61, 200), (49, 200), (55, 149)] {
            assert!(!window.acknowledge(consumed, limit));
        }
        assert_eq!(window.credit(), 90);
        assert!(window.acknowledge(50, 150));
    }

    #[test]
    fn an_ack_is_due_at_half_a_window() {
        let mut window = RecvWindow::new(100);
        assert!(window.admits(100) && !window.admits(101));
        window.receive(100);
        assert!(!window.admits(1));
        assert!(!window.consume(49, 100));
        assert!(window.consume(1, 100));
        assert_eq!(window.acknowledge(100), (50, 150));
        assert!(!window.consume(49, 100));
        assert!(window.admits(50) && !window.admits(51));
    }
}
