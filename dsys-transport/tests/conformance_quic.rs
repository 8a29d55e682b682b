//! The conformance suite over QUIC on loopback.

use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::conformance::{Harness, Pair};
use dsys_transport::{Quic, QuicConfig, Transport};

struct OverQuic;

impl Harness for OverQuic {
    type Transport = Quic;

    async fn pair(&self) -> Result<Pair<Quic>, String> {
        let bind = |seed| {
            let addr = "127.0.0.1:0".parse().map_err(|_| "an address")?;
            Quic::bind(&SecretKey::from_bytes([seed; 32]), &[addr], QuicConfig::lan())
                .map_err(|e| e.to_string())
        };
        let (left, right) = (bind(1)?, bind(2)?);
        let addr =
            |quic: &Quic| quic.local_addrs().into_iter().fold(NodeAddr::new(quic.id()), NodeAddr::with);
        Ok(Pair { left_addr: addr(&left), right_addr: addr(&right), left, right })
    }
}

dsys_transport::conformance_tests!(OverQuic);
