//! The bytes of the protocol: header, flags, frames, HELLO, control payloads, error bodies.

mod decode;
mod encode;
mod error_body;
mod fault;
mod flags;
mod header;
mod hello;
mod json;

pub use decode::{Decoder, Frame};
pub use encode::FrameQueue;
pub use error_body::{ErrorBody, ReasonName, write_error_body};
pub use fault::FrameFault;
pub use flags::Flags;
pub use header::{HEADER_LEN, Header, LEN_FIELD, MAX_FRAME, MIN_LEN, VERSION};
pub use hello::{Codings, Features, Hello, HelloFault, ReplyFacts};
