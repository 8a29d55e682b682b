//! What was counted.

/// Traffic of one node. Bytes are what [`Network::set_size`](crate::Network::set_size) says a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages this node sent, lost ones included.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Messages this node was handed, duplicates included.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Messages this node sent that never arrived: lost, cut off, or meant for nobody.
    pub lost: u64,
}

/// What the whole simulation has done, and how often each bound of [`Config`](crate::Config) was hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Inputs handed to machines: the simulator's unit of work.
    pub inputs: u64,
    /// Of these, messages.
    pub messages: u64,
    /// Of these, timers.
    pub timers: u64,
    /// Messages handed to the network.
    pub sent: u64,
    /// Messages that never arrived: lost, cut off, or meant for a node that is not there.
    pub lost: u64,
    /// Second copies made by [`Faults::duplication`](crate::Faults).
    pub duplicated: u64,
    /// Messages taken out of order by [`Faults::reordering`](crate::Faults).
    pub reordered: u64,
    /// Timers that were replaced or cancelled before they ran out.
    pub stale_timers: u64,
    /// Addresses learned; they are of no use here.
    pub learned: u64,
    /// Probes begun.
    pub probes: u64,
    /// Events the machines emitted.
    pub emitted: u64,
    /// Dials begun (connected mode).
    pub dials: u64,
    /// Dials that failed (connected mode).
    pub failed_dials: u64,
    /// Crashes.
    pub crashes: u64,
    /// Restarts.
    pub restarts: u64,
    /// Records that recovery found torn and dropped.
    pub torn_records: u64,
    /// Messages and timers dropped because `max_queued` was reached.
    pub queue_full: u64,
    /// Emitted events dropped because `max_kept_events` was reached.
    pub events_dropped: u64,
    /// Messages dropped because `max_waiting` already waited for a dial.
    pub waiting_full: u64,
    /// Effects dropped because `max_held_effects` already waited for a write.
    pub held_full: u64,
    /// Writes refused because `max_disk` was reached.
    pub disk_full: u64,
    /// Nodes refused because `max_nodes` was reached or the name was taken.
    pub nodes_refused: u64,
}
