//! Operations as streams of their steps.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dsys_core::NodeId;
use futures_core::Stream;

use super::Found;
use super::router::{Answer, Item, Ticket};
use crate::overlay::{FindError, Step};
use crate::records::{Command, GetError, Got, Provider, PutError, PutReport, Record};

/// What happens to an operation. The last one is `Put`, `Got`, `Peers` or `Ended`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress {
    /// One step, with this node.
    Step(NodeId, Step),
    /// A newer version than before was found, or one more provider.
    Found(Record),
    /// A put has ended.
    Put(Result<PutReport, PutError>),
    /// A get has ended.
    Got(Box<Result<Got, GetError>>),
    /// A search for nodes has ended.
    Peers(Result<Found, FindError>),
    /// The DHT has ended before the operation.
    Ended,
}

/// An operation, step by step. It begins when it is first polled; dropping it ends its search. If it is not polled for
/// long, steps are left out, the end never.
#[derive(Debug)]
pub struct Watch {
    ticket: Ticket,
    command: Option<Command>,
    sending: Option<Sending>,
    over: bool,
}

struct Sending(Pin<Box<dyn Future<Output = bool> + Send + Sync>>);

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}

impl Watch {
    pub(super) fn new(ticket: Ticket, command: Command) -> Self {
        Watch { ticket, command: Some(command), sending: None, over: false }
    }

    /// What happens next; `None` after the end. Cancel safety: safe.
    pub async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Progress>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(command) = self.command.take() {
            let commands = self.ticket.commands();
            self.sending = Some(Sending(Box::pin(async move { commands.send(command).await.is_ok() })));
        }
        if let Some(Sending(sending)) = &mut self.sending {
            let sent = ready!(sending.as_mut().poll(cx));
            self.sending = None;
            if !sent {
                self.over = true;
                return Poll::Ready(Some(Progress::Ended));
            }
        }
        let progress = match ready!(self.ticket.events().poll_recv(cx)) {
            Some(Item::End(answer)) => {
                self.over = true;
                self.ticket.ended();
                match answer {
                    Answer::Put(result) => Progress::Put(result),
                    Answer::Got(result) => Progress::Got(result),
                    Answer::Peers(found) => Progress::Peers(found),
                    Answer::Swept(_) | Answer::Bulk(_) | Answer::Left(_) | Answer::Stats(_) => {
                        Progress::Ended
                    }
                }
            }
            Some(Item::Progress(progress)) => progress,
            None => {
                self.over = true;
                Progress::Ended
            }
        };
        Poll::Ready(Some(progress))
    }
}

impl Stream for Watch {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.poll(cx)
    }
}

/// Providers, each once, as they are found. An error is the last item, and is none if some were found before.
#[derive(Debug)]
pub struct Providers {
    watch: Watch,
    any: bool,
}

impl Providers {
    pub(super) fn new(watch: Watch) -> Self {
        Providers { watch, any: false }
    }

    /// The next one; `None` after the last. Cancel safety: safe.
    ///
    /// # Errors
    /// [`GetError`] if there is none.
    pub async fn next(&mut self) -> Option<Result<Provider, GetError>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Provider, GetError>>> {
        loop {
            match ready!(self.watch.poll(cx)) {
                Some(Progress::Found(Record::Provider(provider))) => {
                    self.any = true;
                    return Poll::Ready(Some(Ok(provider)));
                }
                Some(Progress::Got(result)) => {
                    let error = result.err().filter(|_| !self.any);
                    return Poll::Ready(error.map(Err));
                }
                Some(Progress::Ended) => return Poll::Ready(Some(Err(GetError::Ended))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Providers {
    type Item = Result<Provider, GetError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}
