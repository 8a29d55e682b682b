//! Every fault model, shown to do something and nothing else.

mod bounds;
mod connections;
mod determinism;
mod faults;
mod life;
mod probe;
mod storage;
mod swarm;
