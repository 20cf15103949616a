//! With a directory, accepted means on disk: what was accepted outlives the server, its end, its disk's faults.

mod backup;
mod clients;
mod damage;
mod far_behind;
mod faults;
mod fsync;
mod opened;
mod refused;
mod restart;
mod sent_back;
mod small_disk;
mod space;
mod start;
