//! What one connection may cost.

use crate::wire::{MAX_FRAME, MIN_LEN};

/// Windows, buffers and the inflate bound are this multiple of the frame limit.
pub(crate) const BUFFER_FRAMES: usize = 8;
/// Least that a frame costs of the buffer budget where no window bounds it, in bytes.
const FRAME_COST: usize = 256;

/// The sizes that bound one connection. Made by [`Limits::builder`], which checks them together.
///
/// ```
/// use oap_core::Limits;
///
/// let limits = Limits::builder().max_frame(65_536).max_inflight(4).build()?;
/// assert_eq!(limits.buffer_bytes(), 524_288);
/// assert!(Limits::builder().max_inflight(65).build().is_err());
/// # Ok::<(), oap_core::LimitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_frame: u32,
    max_inflight: u16,
    ack_window: u32,
    chunk: u32,
    send_buffer: u32,
}

impl Limits {
    /// Starts from the defaults of the protocol.
    pub const fn builder() -> LimitsBuilder {
        LimitsBuilder(Self::DEFAULT)
    }

    const DEFAULT: Self = Self {
        max_frame: MAX_FRAME,
        max_inflight: 64,
        ack_window: 131_072,
        chunk: 65_536,
        send_buffer: 262_144,
    };

    /// Largest length field accepted. Default 1 MiB: the most the protocol allows.
    ///
    /// Worst case: one frame of this size per lane while it arrives.
    pub const fn max_frame(&self) -> u32 {
        self.max_frame
    }

    /// Exchanges at once. Default 64: enough for a busy client, few enough to bound a hostile one.
    ///
    /// Worst case: about 300 bytes of bookkeeping each.
    pub const fn max_inflight(&self) -> u16 {
        self.max_inflight
    }

    /// Payload bytes a peer may send ahead of acknowledgement, per exchange and direction.
    /// Default 128 KiB.
    ///
    /// Worst case: this times `max_inflight`, at most [`Limits::buffer_bytes`].
    pub const fn ack_window(&self) -> u32 {
        self.ack_window
    }

    /// Payload bytes of the frames that a longer body is split into. Default 64 KiB: so the default
    /// window holds two of them, and a TLS layer with a write buffer above it takes one at once.
    pub const fn chunk(&self) -> u32 {
        self.chunk
    }

    /// Body bytes that an exchange takes before it says that it is full. Default 256 KiB.
    ///
    /// Worst case: this plus one body, per exchange; only the local application fills it.
    pub const fn send_buffer(&self) -> u32 {
        self.send_buffer
    }

    /// Received bytes that may wait for the application, and the bound of live inflated bytes:
    /// eight times the frame limit (OAP-6, OAP-8).
    pub const fn buffer_bytes(&self) -> usize {
        self.max_frame as usize * BUFFER_FRAMES
    }

    /// Received frames of windowed directions that may wait for the application (OAP-6-17).
    pub(crate) const fn windowed_frames(&self) -> usize {
        self.buffer_bytes() / FRAME_COST
    }
}

/// Bytes of buffer budget that a received payload takes (OAP-6-16): small ones are rounded up where
/// no window bounds them.
#[inline]
pub(crate) const fn frame_cost(payload: usize, windowed: bool) -> usize {
    if payload < FRAME_COST && !windowed {
        FRAME_COST
    } else {
        payload
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Collects limits; [`LimitsBuilder::build`] checks them.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct LimitsBuilder(Limits);

impl LimitsBuilder {
    /// See [`Limits::max_frame`]: 4,096 to 1,048,576 bytes.
    pub const fn max_frame(mut self, bytes: u32) -> Self {
        self.0.max_frame = bytes;
        self
    }

    /// See [`Limits::max_inflight`]: at least 1.
    pub const fn max_inflight(mut self, exchanges: u16) -> Self {
        self.0.max_inflight = exchanges;
        self
    }

    /// See [`Limits::ack_window`]: 4,096 to 8,388,608 bytes.
    pub const fn ack_window(mut self, bytes: u32) -> Self {
        self.0.ack_window = bytes;
        self
    }

    /// See [`Limits::chunk`]: 4,063 to 1,048,543 bytes; what passes a peer's limit is split further.
    pub const fn chunk(mut self, bytes: u32) -> Self {
        self.0.chunk = bytes;
        self
    }

    /// See [`Limits::send_buffer`]: at least 1 byte.
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        self.0.send_buffer = bytes;
        self
    }

    /// The limits, checked; all windows together must fit the buffer (OAP-6-18).
    ///
    /// # Errors
    /// A [`LimitError`] that names the limit, the value and the rule.
    pub fn build(self) -> Result<Limits, LimitError> {
        let limits = self.0;
        for (name, value, least, most) in [
            ("max_frame", limits.max_frame, 4_096, MAX_FRAME),
            ("max_inflight", u32::from(limits.max_inflight), 1, 65_535),
            ("ack_window", limits.ack_window, 4_096, 8_388_608),
            ("chunk", limits.chunk, 4_063, MAX_FRAME - MIN_LEN),
            ("send_buffer", limits.send_buffer, 1, u32::MAX),
        ] {
            if !(least..=most).contains(&value) {
                return Err(LimitError::Range {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        limits.check_windows()?;
        Ok(limits)
    }

    /// The limits without the rule that all windows together fit the buffer: for measurements with
    /// more exchanges than a host would allow.
    #[cfg(feature = "testing")]
    pub const fn build_unreserved(self) -> Limits {
        self.0
    }
}

impl Limits {
    /// All windows together fit the buffer, so that windowed data always has room (OAP-6-18).
    fn check_windows(&self) -> Result<(), LimitError> {
        let (window, inflight) = (self.ack_window, self.max_inflight);
        let budget = self.buffer_bytes();
        if u64::from(window) * u64::from(inflight) > budget as u64 {
            return Err(LimitError::Windows {
                window,
                inflight,
                budget,
            });
        }
        Ok(())
    }
}

/// A limit that breaks its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// One value is out of its range.
    #[error("{name} = {value}: must be {least} to {most}")]
    Range {
        /// The limit.
        name: &'static str,
        /// What it was set to.
        value: u32,
        /// Its least value.
        least: u32,
        /// Its largest value.
        most: u32,
    },
    /// All windows together pass the buffer.
    #[error(
        "ack_window = {window} with max_inflight = {inflight}: \
         their product must be at most 8 x max_frame = {budget}"
    )]
    Windows {
        /// The window in bytes.
        window: u32,
        /// Exchanges at once.
        inflight: u16,
        /// Eight times the frame limit.
        budget: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(Limits::builder().build(), Ok(Limits::default()));
    }

    // OAP-6-4
    #[test]
    fn windows_together_fit_the_buffer() {
        let error = Limits::builder().ack_window(131_073).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "ack_window = 131073 with max_inflight = 64: \
             their product must be at most 8 x max_frame = 8388608"
        );
        assert!(
            Limits::builder()
                .ack_window(8_388_608)
                .max_inflight(1)
                .build()
                .is_ok()
        );
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_rule() {
        let error = Limits::builder().max_frame(4_095).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "max_frame = 4095: must be 4096 to 1048576"
        );
        assert!(Limits::builder().max_frame(MAX_FRAME + 1).build().is_err());
        assert!(Limits::builder().max_inflight(0).build().is_err());
        assert!(Limits::builder().chunk(4_062).build().is_err());
    }
}
