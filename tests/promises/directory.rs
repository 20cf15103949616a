//! With a directory, accepted means on disk: what was accepted outlives the server, its end, its disk's faults.

mod backup;
mod clients;
mod far_behind;
mod faults;
mod refused;
mod restart;
mod start;
