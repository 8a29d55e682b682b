//! Who is at the other end.

use dsys_core::{NodeAddr, SecretKey};

use super::support::{check, clause, connect, echo, finish, ok, read_all, step};
use super::{Failure, Harness};
use crate::transport::{Connection, Transport};

/// Clause 2: when a dial returns, the peer's id is proven, the acceptor sees the dialler's true id, and the first
/// stream of either side arrives.
///
/// # Errors
/// The clause is broken.
pub async fn dial_proves_both_ids<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("dial and accept prove the id at the other end", async {
        let pair = ok("making a pair", harness.pair()).await?;
        check(pair.left.id() != pair.right.id(), || "both transports of the pair have one id".into())?;
        for transport in [&pair.left, &pair.right] {
            let signs_as = transport.signer().map_or(transport.id(), |signer| signer.public());
            check(signs_as == transport.id(), || format!("the signer of {} is {signs_as}", transport.id()))?;
        }
        check(pair.right.id() == pair.right_addr.id, || "the harness gives another id's address".into())?;
        let dial = async {
            let near = ok("dial", pair.left.dial(&pair.right_addr)).await?;
            // At once, before the peer can have said anything.
            let mut send = ok("open_uni", near.open_uni()).await?;
            ok("write", finish(&mut send, b"first")).await?;
            Ok::<_, String>(near)
        };
        let accept = async {
            let far = step("accept", pair.right.accept()).await?.ok_or("accept gave None")?;
            let mut recv = ok("accept_uni", far.accept_uni()).await?;
            let text = ok("reading the dialler's first stream", read_all(&mut recv)).await?;
            check(text == b"first", || format!("\"first\" was read as {text:?}"))?;
            Ok::<_, String>(far)
        };
        let (near, far) = tokio::try_join!(dial, accept)?;
        check(near.peer() == pair.right.id(), || format!("the dialler sees {}", near.peer()))?;
        check(far.peer() == pair.left.id(), || format!("the acceptor sees {}", far.peer()))?;
        echo(&far, &near).await
    })
    .await
}

/// Clause 2: a dial of an id at an address where another node answers fails, and the other node is none the worse.
///
/// # Errors
/// The clause is broken.
pub async fn dial_of_a_wrong_id_fails<H: Harness>(harness: &H) -> Result<(), Failure> {
    clause("a dial of an id that does not answer at the address fails", async {
        let pair = ok("making a pair", harness.pair()).await?;
        let nobody = SecretKey::from_bytes([0x5e; 32]).public();
        let wrong = pair.right_addr.direct().iter().fold(NodeAddr::new(nobody), |to, &addr| to.with(addr));
        // An acceptor that only runs when it is asked must be asked.
        let dialled = tokio::select! {
            dialled = step("dialling a wrong id", pair.left.dial(&wrong)) => dialled?,
            never = async {
                while let Some(accepted) = pair.right.accept().await {
                    accepted.closed().await;
                }
                std::future::pending().await
            } => never,
        };
        if let Ok(connection) = dialled {
            return Err(format!("the dial of {nobody} gave a connection to {}", connection.peer()));
        }
        let (near, far) = connect(&pair).await?;
        echo(&near, &far).await
    })
    .await
}
