//! zlib streams made by hand, so that no library's choices are in the vectors.

use oap_conformance::vectors::Bytes;

/// RFC 1950: deflate, 32 KiB window, no dictionary.
const HEADER: [u8; 2] = [0x78, 0x01];

/// `plain` in stored blocks.
pub(crate) fn stored(plain: &[u8]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let mut blocks = plain.chunks(65_535).peekable();
    if blocks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).expect("a block is under 64 KiB");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out.extend(adler32(plain).to_be_bytes());
    out
}

/// `1 + 258 * 8 * groups + rest` zero bytes, in one block with the fixed codes, and how many they
/// are. A group of eight matches is 13 bytes long, so that the stream repeats them; `rest` are
/// literals.
pub(crate) fn zeros(groups: usize, rest: usize) -> (Bytes, usize) {
    let plain = 1 + 258 * 8 * groups + rest;
    let mut bits = Bits::default();
    bits.push(0b011, 3); // The last block, fixed codes.
    bits.literal_zero();
    let head = bits.take();
    for _ in 0..8 {
        bits.longest_match();
    }
    let group = bits.take();
    for _ in 0..rest {
        bits.literal_zero();
    }
    bits.push(0, 7); // The end of the block.
    let end = [
        bits.finish(),
        adler32_of_zeros(plain).to_be_bytes().to_vec(),
    ]
    .concat();
    let front = [&HEADER[..], &head].concat();
    let stream = Bytes::plain(&front)
        .then(Bytes::repeated(&group, groups))
        .then(Bytes::compact(&end));
    (stream, plain)
}

/// Bits in the order of RFC 1951.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    /// Plain bits, the least significant first.
    fn push(&mut self, bits: u32, count: u32) {
        self.pending |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// The literal 0: 00110000, the most significant bit first.
    fn literal_zero(&mut self) {
        self.push(0b0000_1100, 8);
    }

    /// 258 bytes from a distance of 1: 11000101 and 00000.
    fn longest_match(&mut self) {
        self.push(0b1010_0011, 8);
        self.push(0, 5);
    }

    /// The whole bytes so far.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.out.push(self.pending as u8);
        }
        self.out
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

fn adler32_of_zeros(len: usize) -> u32 {
    let b = (len % 65_521) as u32;
    b << 16 | 1
}
