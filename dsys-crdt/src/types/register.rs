//! Registers: one value that is replaced.

mod lww;
mod multi;

pub use lww::{FarFuture, LwwRegister, Stamp};
pub use multi::MvRegister;
