//! What is measured, and with whom.
#![allow(missing_docs)]

pub mod data;
pub mod peers;
