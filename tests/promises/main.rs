//! What Eric promises, through the real server and its real doors. Each file is a promise, each test a sentence of it.

mod support;

mod backlog;
mod broadcast;
mod configuration;
mod ends;
mod gaps;
mod limits;
mod lost_clients;
mod order;
mod resume;
mod shutdown;
mod slow_reader;
mod start_stop;
mod takeover;
