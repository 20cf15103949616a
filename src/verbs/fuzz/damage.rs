//! Inputs that nobody sends in earnest.

use fastrand::Rng;

/// Varints at the ends of what they hold, one that never ends, and what turns JSON and tokens into something else.
const PIECES: [&[u8]; 24] = [
    &[0],
    &[0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff; 11],
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"~",
    b".",
    b"%",
    b"null",
    b"true",
    b"-0",
    b"1e400",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
];

pub(super) fn random(rng: &mut Rng) -> Vec<u8> {
    let length = rng.usize(0..200);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// A sound input with one to four faults; parts of another may stand in it.
pub(crate) fn damaged(rng: &mut Rng, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    for _ in 0..rng.usize(1..=4) {
        let (from, to) = (rng.usize(0..=bytes.len()), rng.usize(0..=bytes.len()));
        let part = from.min(to)..from.max(to);
        match rng.u8(0..8) {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(part)),
            // whole fields, now and then
            2 => bytes.extend_from_within(part),
            3 => drop(bytes.splice(from..from, other[rng.usize(0..=other.len())..].to_vec())),
            4 => {
                let piece = PIECES[rng.usize(0..PIECES.len())].to_vec();
                drop(bytes.splice(from..(from + 1).min(bytes.len()), piece));
            }
            5 => bytes.extend_from_slice(other),
            _ => flip(rng, &mut bytes),
        }
    }
    bytes
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        bytes[rng.usize(0..bytes.len())] ^= 1 << rng.u8(0..8);
    }
}
