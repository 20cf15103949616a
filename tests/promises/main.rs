//! What Eric promises, through the real server and its real doors. Each file is a promise, each test a sentence of it.

mod support;

mod broadcast;
mod configuration;
mod ends;
mod order;
mod start_stop;
mod takeover;
