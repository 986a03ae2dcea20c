//! The zlib coding of COMP payloads (OAP-8).

use alloc::vec;
use alloc::vec::Vec;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::code::{Code, Reason};

/// Why a payload was not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// There is more in it than the limit allows.
    #[error("the payload inflates past its limit")]
    Overflow,
    /// It is not exactly one whole zlib stream without a preset dictionary.
    #[error("the payload is not one whole zlib stream")]
    Malformed,
}

impl InflateError {
    /// The code of the answer.
    pub const fn code(self) -> Code {
        self.reason().code()
    }

    /// The reason in the answer.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Overflow => Reason::DecompressOverflow,
            Self::Malformed => Reason::BadCoding,
        }
    }
}

/// Inflates one whole zlib stream (RFC 1950) to at most `limit` bytes (OAP-8-3, OAP-8-4).
///
/// Memory follows what was produced (OAP-8-5): the result starts at 4 KiB and at most doubles,
/// never past `limit` + 1 bytes, and has no spare capacity in the end. Besides that there is the
/// decoder's state, 47 KiB while the call lasts.
///
/// # Errors
///
/// [`InflateError::Overflow`] once there is a byte more than `limit`; [`InflateError::Malformed`]
/// if `input` is anything but a stream that is whole, has the right checksum, needs no preset
/// dictionary and is followed by nothing.
///
/// ```
/// use oap_core::inflate::{InflateError, deflate, inflate};
///
/// let text = [b'a'; 1_000];
/// let small = deflate(&text).ok_or("larger")?;
/// assert_eq!(inflate(&small, 1_000).as_deref(), Ok(&text[..]));
/// assert_eq!(inflate(&small, 999), Err(InflateError::Overflow));
/// assert_eq!(inflate(b"text", 999), Err(InflateError::Malformed));
/// # Ok::<(), &str>(())
/// ```
pub fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    inflate_counting(input, limit, &mut 0)
}

/// [`inflate`], which also tells how many bytes came out, those of a stream that fails included.
pub(crate) fn inflate_counting(
    input: &[u8],
    limit: usize,
    produced: &mut usize,
) -> Result<Vec<u8>, InflateError> {
    let ceiling = limit.saturating_add(1);
    let mut decoder = Decompress::new(true);
    let mut output = Vec::new();
    let mut consumed = 0;
    loop {
        let length = next_length(*produced, consumed, input.len()).min(ceiling);
        output.reserve_exact(length.saturating_sub(*produced));
        output.resize(length, 0);
        let (Some(rest), Some(room)) = (input.get(consumed..), output.get_mut(*produced..)) else {
            return Err(InflateError::Malformed);
        };
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(rest, room, FlushDecompress::Finish);
        consumed += (decoder.total_in() - before_in) as usize;
        *produced += (decoder.total_out() - before_out) as usize;
        let status = status.map_err(|_| InflateError::Malformed)?;

        if *produced > limit {
            return Err(InflateError::Overflow);
        }
        if status == Status::StreamEnd {
            if consumed != input.len() {
                return Err(InflateError::Malformed);
            }
            output.truncate(*produced);
            output.shrink_to_fit();
            return Ok(output);
        }
        if *produced < output.len() {
            // There was room for more, so it is the input that has come to its end.
            return Err(InflateError::Malformed);
        }
    }
}

/// Deflates `input` into one zlib stream; `None` unless that makes it smaller (OAP-8-1).
///
/// ```
/// use oap_core::inflate::deflate;
///
/// assert!(deflate(&[b'a'; 1_000]).is_some());
/// assert_eq!(deflate(b"short"), None);
/// ```
pub fn deflate(input: &[u8]) -> Option<Vec<u8>> {
    let mut output = vec![0; input.len().checked_sub(1)?];
    let mut encoder = Compress::new(Compression::new(LEVEL), true);
    let status = encoder
        .compress(input, &mut output, FlushCompress::Finish)
        .ok()?;
    if status != Status::StreamEnd {
        return None;
    }
    output.truncate(usize::try_from(encoder.total_out()).ok()?);
    output.shrink_to_fit();
    Some(output)
}

/// On 1 MiB of text, level 3 reaches 28 % of the size, 1.7 times as fast as level 6 reaches 27 %.
/// Level 1 is twice as fast again, but stays at 39 %.
const LEVEL: u32 = 3;
/// Room to begin with, in bytes: most messages need no more.
const FIRST: usize = 4_096;

/// The next length of the output, which `produced` bytes have filled.
///
/// That is as much as the rest of the input promises at the rate so far, with a sixteenth to spare,
/// but between 9/8 and twice of what was produced. Doubling alone would zero, and make the system
/// map, up to a whole output that is never used.
fn next_length(produced: usize, consumed: usize, input: usize) -> usize {
    let whole = produced as u128 * input as u128 / consumed.max(1) as u128;
    let promised = usize::try_from(whole + whole / 16).unwrap_or(usize::MAX);
    let least = produced.saturating_add(produced / 8);
    let most = produced.saturating_mul(2);
    promised.clamp(least, most).max(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn zlib(plain: &[u8], level: u32) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::ZlibEncoder::new(plain, Compression::new(level))
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    /// What flate2's own reader makes of it, as far as it is one whole stream.
    fn reference(input: &[u8]) -> Option<Vec<u8>> {
        let mut rest = input;
        let mut out = Vec::new();
        flate2::bufread::ZlibDecoder::new(&mut rest)
            .read_to_end(&mut out)
            .ok()?;
        (rest.is_empty() && !input.is_empty()).then_some(out)
    }

    // OAP-8-3
    #[test]
    fn only_one_whole_stream_is_taken() {
        let text = b"one whole stream, one whole stream";
        let whole = zlib(text, 6);
        assert_eq!(inflate(&whole, 100).as_deref(), Ok(&text[..]));
        for cut in 0..whole.len() {
            assert_eq!(inflate(&whole[..cut], 100), Err(InflateError::Malformed));
        }
        for more in [&b"x"[..], &whole] {
            assert_eq!(
                inflate(&[&whole, more].concat(), 100),
                Err(InflateError::Malformed)
            );
        }
        for byte in 0..4 {
            let mut wrong = whole.clone();
            let checksum = wrong.len() - 4;
            wrong[checksum + byte] ^= 1;
            assert_eq!(inflate(&wrong, 100), Err(InflateError::Malformed));
        }
        let raw = &whole[2..whole.len() - 4];
        let zstd_magic = b"\x28\xb5\x2f\xfd\0\0\0\0";
        for other in [
            &b""[..],
            raw,
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
            zstd_magic,
        ] {
            assert_eq!(inflate(other, 100), Err(InflateError::Malformed));
        }
    }

    // OAP-8-3
    #[test]
    fn a_preset_dictionary_is_refused() {
        let mut encoder = Compress::new(Compression::new(6), true);
        encoder.set_dictionary(b"dictionary").unwrap();
        let mut stream = Vec::with_capacity(100);
        encoder
            .compress_vec(b"dictionary", &mut stream, FlushCompress::Finish)
            .unwrap();
        assert_ne!(stream[1] & 0x20, 0);
        assert_eq!(inflate(&stream, 100), Err(InflateError::Malformed));
    }

    // OAP-8-4
    #[test]
    fn the_limit_itself_is_accepted() {
        let sizes = [
            0,
            1,
            4_095,
            4_096,
            4_097,
            8_191,
            8_192,
            8_193,
            100_000,
            8 << 20,
        ];
        for size in sizes {
            let bomb = zlib(&vec![0; size], 9);
            let plain = inflate(&bomb, size).unwrap();
            assert_eq!((plain.len(), plain.capacity()), (size, size));
            if size > 0 {
                assert_eq!(inflate(&bomb, size - 1), Err(InflateError::Overflow));
            }
        }
        assert_eq!(
            inflate(&zlib(b"any", 6), usize::MAX).as_deref(),
            Ok(&b"any"[..])
        );
        let overflow = InflateError::Overflow;
        assert_eq!(
            (overflow.code().get(), overflow.reason().name()),
            (413, "decompress_overflow")
        );
        let malformed = InflateError::Malformed;
        assert_eq!(
            (malformed.code().get(), malformed.reason().name()),
            (400, "bad_coding")
        );
    }

    #[test]
    fn the_output_grows_as_the_input_promises() {
        for (produced, consumed, input, expected) in [
            // Nothing is known.
            (0, 0, 100, 4_096),
            // A third is read: three times as much would be all of it, but twice is the most.
            (8_000, 100, 300, 16_000),
            // Two thirds are read: half as much again, and a sixteenth to spare.
            (16_000, 200, 300, 25_500),
            // All is read, and it goes on all the same.
            (16_000, 300, 300, 18_000),
            (64_000, 0, 300, 128_000),
            (usize::MAX, 1, 1, usize::MAX),
        ] {
            let next = next_length(produced, consumed, input);
            assert_eq!(next, expected, "{produced} of {consumed} of {input}");
        }
    }

    // OAP-8-1
    #[test]
    fn only_what_gets_smaller_is_deflated() {
        assert_eq!(deflate(b""), None);
        assert_eq!(deflate(b"a"), None);
        let text = [b'a'; 40];
        let shortest = (1..)
            .find(|length| zlib(&vec![b'a'; *length], 3).len() < *length)
            .unwrap();
        assert!(shortest < text.len());
        for length in 1..text.len() {
            assert_eq!(deflate(&text[..length]).is_some(), length >= shortest);
        }
    }

    proptest! {
        // OAP-8-5
        #[test]
        fn memory_at_most_doubles(produced in FIRST..usize::MAX, consumed: usize, input: usize) {
            let length = next_length(produced, consumed, input);
            prop_assert!(length > produced && length <= produced.saturating_mul(2));
            prop_assert_eq!(next_length(0, 0, input), FIRST);
        }

        #[test]
        fn what_was_deflated_comes_back(
            seed in prop::collection::vec(any::<u8>(), 1..200),
            times in 1_usize..300,
        ) {
            let plain = seed.repeat(times);
            for level in [0, 1, 9] {
                prop_assert_eq!(&inflate(&zlib(&plain, level), plain.len()).unwrap(), &plain);
            }
            if let Some(small) = deflate(&plain) {
                prop_assert!(small.len() < plain.len());
                prop_assert_eq!(inflate(&small, plain.len()).unwrap(), plain);
            }
        }

        #[test]
        fn agrees_with_the_reader_of_flate2(
            plain in prop::collection::vec(0..4_u8, 0..9_000),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..3),
            tail in prop::collection::vec(any::<u8>(), 0..2),
        ) {
            let mut stream = zlib(&plain, 6);
            stream.extend(tail);
            for (at, bit) in flips {
                let at = at.index(stream.len());
                stream[at] ^= 1 << bit;
            }
            match inflate(&stream, 1 << 20) {
                Err(InflateError::Overflow) => {}
                ours => prop_assert_eq!(ours.ok(), reference(&stream)),
            }
        }

        #[test]
        fn hostile_streams_never_panic(
            stream in prop::collection::vec(any::<u8>(), 0..200),
            limit in 0_usize..9_000,
        ) {
            let headed = [b"\x78\x9c", &stream[..]].concat();
            for input in [&stream, &headed] {
                if let Ok(plain) = inflate(input, limit) {
                    prop_assert!(plain.len() <= limit);
                }
            }
        }
    }
}
