//! What Eric promises, through the real server and its real doors. Each file is a promise, each test a sentence of it.

mod support;

mod backlog;
mod bad_input;
mod broadcast;
mod cli;
mod client;
mod configuration;
mod descriptor;
mod ends;
mod errors;
mod gaps;
mod grpcurl;
mod idempotency;
mod limits;
mod lost_clients;
mod many_listeners;
mod order;
mod pages;
mod presence;
mod publish;
mod pull;
mod readme;
mod reflection;
mod resume;
mod settings;
mod shutdown;
mod slow_reader;
mod start_stop;
mod takeover;
mod watch;
mod web;
