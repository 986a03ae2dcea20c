//! A pull reader for JSON from strangers, and the few writers that the bodies need.
//!
//! It reads RFC 8259 and nothing more: checked UTF-8, checked escapes and surrogate pairs, no
//! trailing comma, nothing after the value. It allocates nothing, and nests [`MAX_DEPTH`] deep at
//! most, so neither the heap nor the stack grows with the input.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// How many arrays and objects may be open at once; the outermost counts as one (OAP-5-6).
pub(crate) const MAX_DEPTH: u8 = 8;

/// Why JSON was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not JSON, or something follows the value.
    Syntax,
    /// It nests deeper than [`MAX_DEPTH`].
    TooDeep,
    /// It goes on with a value of another type than the one asked for.
    WrongType,
    /// An unsigned integer does not fit 64 bits.
    Overflow,
}

/// Reads one JSON value from front to back.
///
/// Each reading method takes exactly one value. After a fault the position is unspecified, and
/// there is nothing to do but to drop the reader.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
    opened: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`; [`Fault::Syntax`] unless that is UTF-8.
    pub(crate) fn new(input: &'a [u8]) -> Result<Self, Fault> {
        let text = core::str::from_utf8(input).map_err(|_| Fault::Syntax)?;
        Ok(Self {
            text,
            at: 0,
            depth: 0,
            opened: 0,
        })
    }

    /// Calls `member` for each key of an object; it must read or [`skip`](Self::skip) the value.
    pub(crate) fn object<E: From<Fault>>(
        &mut self,
        mut member: impl FnMut(Str<'a>, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        if !self.eat(b'}') {
            loop {
                self.require(b'"')?;
                let key = self.string_tail()?;
                self.require(b':')?;
                member(key, self)?;
                if self.eat(b'}') {
                    break;
                }
                self.require(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Calls `element` for each element of an array; it must read or [`skip`](Self::skip) it.
    pub(crate) fn array<E: From<Fault>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        if !self.eat(b']') {
            loop {
                element(self)?;
                if self.eat(b']') {
                    break;
                }
                self.require(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Str<'a>, Fault> {
        if !self.eat(b'"') {
            return Err(self.mismatch());
        }
        self.string_tail()
    }

    /// Reads an integer without sign, fraction, exponent or leading zero.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Fault> {
        if !matches!(self.next_token(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.mismatch());
        }
        let token = self.number()?;
        decimal(token.bytes())
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.next_token() {
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| false),
            _ => Err(self.mismatch()),
        }
    }

    /// Reads any value, checks all of it and drops it.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_with(&mut |_, _| {})
    }

    /// Like [`skip`](Self::skip), and calls `seen` for each key in the value, together with a
    /// number that keys share only if they stand in the same object.
    pub(crate) fn skip_with<F>(&mut self, seen: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Str<'a>),
    {
        // The recursion is bounded: every level below passes `open`, which counts.
        match self.next_token() {
            Some(b'{') => {
                let number = self.opened;
                self.object(|key, value| {
                    seen(number, key);
                    value.skip_with(seen)
                })
            }
            Some(b'[') => self.array(|element| element.skip_with(seen)),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(Fault::Syntax),
        }
    }

    /// A string that was read before, by its [`Str::start`].
    pub(crate) fn string_at(&self, start: usize) -> Result<Str<'a>, Fault> {
        let mut reader = self.clone();
        reader.at = start;
        reader.string_tail()
    }

    /// Ends the reading; [`Fault::Syntax`] if anything but white space is left.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        if self.next_token().is_some() {
            return Err(Fault::Syntax);
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        if !self.eat(bracket) {
            return Err(self.mismatch());
        }
        if self.depth >= MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.depth += 1;
        self.opened += 1;
        Ok(())
    }

    /// What to call it when the value that comes next is not the one asked for.
    fn mismatch(&mut self) -> Fault {
        match self.next_token() {
            Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Fault::WrongType,
            _ => Fault::Syntax,
        }
    }

    /// The rest of a string whose opening quote has been read.
    fn string_tail(&mut self) -> Result<Str<'a>, Fault> {
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.bump() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                None | Some(0..=0x1f) => return Err(Fault::Syntax),
                Some(_) => {}
            }
        }
        let raw = self.text.get(start..self.at - 1).ok_or(Fault::Syntax)?;
        Ok(Str {
            raw,
            start,
            escaped,
        })
    }

    /// The rest of an escape whose backslash has been read.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.bump() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(()),
            Some(b'u') => {}
            _ => return Err(Fault::Syntax),
        }
        match self.hex4()? {
            0xd800..=0xdbff => {
                let low = self.bump() == Some(b'\\') && self.bump() == Some(b'u');
                if low && (0xdc00..=0xdfff).contains(&self.hex4()?) {
                    Ok(())
                } else {
                    Err(Fault::Syntax)
                }
            }
            0xdc00..=0xdfff => Err(Fault::Syntax),
            _ => Ok(()),
        }
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.bump().and_then(|byte| char::from(byte).to_digit(16));
            value = value * 16 + digit.ok_or(Fault::Syntax)?;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.eat_here(|byte| byte == b'-');
        match self.bump() {
            Some(b'0') => {}
            Some(b'1'..=b'9') => while self.eat_here(|byte| byte.is_ascii_digit()) {},
            _ => return Err(Fault::Syntax),
        }
        if self.eat_here(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.eat_here(|byte| matches!(byte, b'e' | b'E')) {
            self.eat_here(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        self.text.get(start..self.at).ok_or(Fault::Syntax)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.eat_here(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Syntax);
        }
        while self.eat_here(|byte| byte.is_ascii_digit()) {}
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        for byte in word.bytes() {
            if self.bump() != Some(byte) {
                return Err(Fault::Syntax);
            }
        }
        Ok(())
    }

    /// The byte after white space, not taken.
    fn next_token(&mut self) -> Option<u8> {
        while self.eat_here(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {}
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.next_token() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, byte: u8) -> Result<(), Fault> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(Fault::Syntax)
        }
    }

    fn eat_here(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self
            .text
            .as_bytes()
            .get(self.at)
            .copied()
            .is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }
}

/// A string that the reader has checked: what stands between the quotes.
///
/// Comparisons see it unescaped, and order it by its characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Str<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

impl<'a> Str<'a> {
    /// The one of `names` that this string is.
    pub(crate) fn one_of(self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self == **name)
    }

    /// Where it begins, for [`Reader::string_at`].
    pub(crate) const fn start(self) -> usize {
        self.start
    }

    /// The string itself, unescaped.
    pub(crate) fn to_owned(self) -> String {
        if self.escaped {
            self.chars().collect()
        } else {
            self.raw.into()
        }
    }

    /// The same for equal strings, and for others seldom (FNV-1a over the characters). Whoever wants
    /// strings that share one can make them: it must cost time only.
    pub(crate) fn digest(self) -> u32 {
        let step = |hash: u32, one: char| (hash ^ u32::from(one)).wrapping_mul(0x0100_0193);
        if self.escaped {
            self.chars().fold(0x811c_9dc5, step)
        } else {
            self.raw.chars().fold(0x811c_9dc5, step)
        }
    }

    /// The number that the string is in decimal, without a sign.
    pub(crate) fn to_u64(self) -> Result<u64, Fault> {
        if self.raw.is_empty() {
            return Err(Fault::WrongType);
        }
        decimal(self.chars().map(|digit| u8::try_from(digit).unwrap_or(0)))
    }

    fn chars(self) -> Unescape<'a> {
        Unescape {
            rest: self.raw.chars(),
        }
    }
}

impl Ord for Str<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.escaped || other.escaped {
            self.chars().cmp(other.chars())
        } else {
            // UTF-8 sorts as the characters do.
            self.raw.cmp(other.raw)
        }
    }
}

impl PartialOrd for Str<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Str<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Str<'_> {}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        if self.escaped {
            self.chars().eq(other.chars())
        } else {
            self.raw == other
        }
    }
}

/// The characters of a checked string.
#[derive(Clone)]
struct Unescape<'a> {
    rest: core::str::Chars<'a>,
}

impl Unescape<'_> {
    fn hex4(&mut self) -> u32 {
        self.rest.by_ref().take(4).fold(0, |value, digit| {
            value * 16 + digit.to_digit(16).unwrap_or(0)
        })
    }

    /// The rest of an escape whose `\u` has been read.
    fn unicode(&mut self) -> char {
        let unit = self.hex4();
        let scalar = if (0xd800..=0xdbff).contains(&unit) {
            let low = self.rest.nth(1).map_or(0, |_| self.hex4());
            0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)
        } else {
            unit
        };
        // The reader has let only whole pairs through, so the replacement never appears.
        char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

impl Iterator for Unescape<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.rest.next()? {
            '\\' => Some(match self.rest.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.unicode(),
                quote_or_slash => quote_or_slash,
            }),
            plain => Some(plain),
        }
    }
}

fn decimal(digits: impl Iterator<Item = u8>) -> Result<u64, Fault> {
    let mut value = 0_u64;
    let mut overflow = false;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Fault::WrongType);
        }
        let grown = value
            .checked_mul(10)
            .and_then(|ten| ten.checked_add(u64::from(digit - b'0')));
        overflow |= grown.is_none();
        value = grown.unwrap_or(0);
    }
    if overflow {
        Err(Fault::Overflow)
    } else {
        Ok(value)
    }
}

/// Appends `text` as a JSON string, cut between two characters so that no more than `room` bytes
/// stand between the quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str, room: usize) {
    out.push(b'"');
    if text.len() <= room && text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_escaped(out, text, room);
    }
    out.push(b'"');
}

/// Whether a byte stands for itself, alone or as a part of a character.
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

fn push_escaped(out: &mut Vec<u8>, text: &str, room: usize) {
    let end = out.len().saturating_add(room);
    for character in text.chars() {
        let mut buffer = [0; 6];
        let bytes = escape(character, &mut buffer);
        if bytes.len() > end - out.len() {
            break;
        }
        out.extend_from_slice(bytes);
    }
}

/// Appends `value` in decimal.
pub(crate) fn push_u64(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    let start = out.len();
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// `character` as it stands in a JSON string.
fn escape(character: char, buffer: &mut [u8; 6]) -> &[u8] {
    match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\0'..='\u{1f}' => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let code = character as usize;
            *buffer = [b'\\', b'u', b'0', b'0', HEX[code >> 4], HEX[code & 15]];
            buffer
        }
        plain => plain.encode_utf8(buffer).as_bytes(),
    }
}

#[cfg(test)]
mod tests;
