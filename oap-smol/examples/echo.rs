//! A server and a client of any backend; `docs/examples/echo.rs` is all of it but one line.

use oap_smol as oap;

include!("../../docs/examples/echo.rs");
