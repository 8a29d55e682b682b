//! The rows of Demers et al. 1987, tables 1 to 3, n = 1,000, and what ours are held to. Kept once: for the tests here, and
//! for `lab -- gossip`, which includes this file and runs as many seeds as the gates are made for.
#![allow(unreachable_pub)] // a module of two programs

use dsys_gossip::rumor::Variant;

/// A row.
pub struct Row {
    /// As the lab prints it.
    pub name: &'static str,
    /// Which epidemic.
    pub variant: Variant,
    /// How many seeds the gates are made for.
    pub seeds: u64,
    /// Residue, traffic and t_last in cycles, as the paper prints them; it does not print push-pull.
    pub paper: [&'static str; 3],
    /// The middle and the width of what is allowed.
    pub gates: [(f64, f64); 3],
}

const fn row(
    name: &'static str,
    variant: Variant,
    seeds: u64,
    paper: [&'static str; 3],
    gates: [(f64, f64); 3],
) -> Row {
    Row { name, variant, seeds, paper, gates }
}

/// All rows.
pub const TABLE: [Row; 12] = [
    row(
        "push k=1",
        Variant::push(1),
        200,
        [".18", "1.7", "16.8"],
        [(0.1744, 0.0045), (1.744, 0.0105), (16.81, 0.37)],
    ),
    row(
        "push k=2",
        Variant::push(2),
        200,
        [".037", "3.3", "16.9"],
        [(0.0369, 0.0018), (3.299, 0.0095), (17.02, 0.37)],
    ),
    row(
        "push k=3",
        Variant::push(3),
        200,
        [".011", "4.5", "17.4"],
        [(0.01085, 0.001), (4.531, 0.010), (17.28, 0.37)],
    ),
    row(
        "push k=4",
        Variant::push(4),
        200,
        [".0036", "5.6", "17.5"],
        [(0.0036, 0.00054), (5.636, 0.0105), (17.61, 0.37)],
    ),
    row(
        "push k=5",
        Variant::push(5),
        200,
        [".0012", "6.7", "17.7"],
        [(0.00128, 0.00031), (6.680, 0.011), (17.76, 0.37)],
    ),
    row(
        "blind coin k=1",
        Variant::push_blind_coin(1),
        1_000,
        [".96", ".04", "38"],
        [(0.960, 0.004), (0.040, 0.004), (39.1, 3.5)],
    ),
    row(
        "blind coin k=2",
        Variant::push_blind_coin(2),
        1_000,
        [".20", "1.6", "33"],
        [(0.2054, 0.006), (1.586, 0.016), (32.6, 0.8)],
    ),
    row(
        "blind coin k=3",
        Variant::push_blind_coin(3),
        1_000,
        [".060", "2.8", "32"],
        [(0.0602, 0.0018), (2.814, 0.017), (31.7, 0.8)],
    ),
    row(
        "pull k=1",
        Variant::pull(1),
        2_000,
        ["3.1e-2", "2.7", "17.6"],
        [(0.0317, 0.0006), (2.699, 0.004), (17.59, 0.19)],
    ),
    row(
        "pull k=2",
        Variant::pull(2),
        2_000,
        ["5.8e-4", "4.5", "15.4"],
        [(5.8e-4, 0.7e-4), (4.487, 0.004), (15.25, 0.17)],
    ),
    row(
        "pull k=3",
        Variant::pull(3),
        2_000,
        ["4e-6", "6.1", "14.0"],
        [(1e-5, 1e-5), (6.087, 0.004), (13.97, 0.13)],
    ),
    row(
        "push-pull k=2",
        Variant::push_pull(2),
        2_000,
        ["-", "-", "-"],
        [(1e-5, 1e-5), (5.15, 0.006), (9.24, 0.08)],
    ),
];
