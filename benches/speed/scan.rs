//! Counts what a stream of gRPC frames carries without decoding it.

/// Looks at one path of field numbers; what lies beside it is skipped in one step. It takes bytes as they
/// come: a frame, a key or a length may be cut anywhere.
#[derive(Debug)]
pub(crate) struct Scan {
    path: &'static [u64],
    /// Fields found at the end of the path.
    pub(crate) items: u64,
    /// Frames that came to their end.
    pub(crate) frames: u64,
    expects: Expects,
    /// Bytes seen since the first.
    position: u64,
    /// Where each open message ends: the frame's, then those that the path leads into.
    ends: Vec<u64>,
    number: u64,
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
enum Expects {
    /// The flag and the length of a frame, of which so many bytes are missing.
    Prefix(u32),
    Key,
    /// The length of the field of this number.
    Length(u64),
    Varint,
    /// The rest of a field that is not looked at.
    Skip(u64),
}

const PREFIX: Expects = Expects::Prefix(5);

impl Scan {
    /// Counts the deliveries of a Listen or a Watch: `batches.deliveries`.
    pub(crate) fn deliveries() -> Self {
        Self::along(&[3, 3])
    }

    /// Counts what a Publish stream accepted: `results.receipt`.
    pub(crate) fn receipts() -> Self {
        Self::along(&[1, 1])
    }

    fn along(path: &'static [u64]) -> Self {
        let ends = Vec::with_capacity(path.len());
        Self { path, items: 0, frames: 0, expects: PREFIX, position: 0, ends, number: 0, shift: 0 }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if let Expects::Skip(left) = self.expects {
                let step = left.min(rest.len() as u64);
                rest = &rest[step as usize..];
                self.position += step;
                self.skip(left - step);
            } else {
                rest = behind;
                self.position += 1;
                self.take(byte);
            }
        }
    }

    fn take(&mut self, byte: u8) {
        match self.expects {
            Expects::Prefix(missing) => self.prefix(byte, missing - 1),
            Expects::Key => {
                if let Some(key) = self.varint(byte) {
                    self.field(key >> 3, key & 7);
                }
            }
            Expects::Length(field) => {
                if let Some(length) = self.varint(byte) {
                    self.enter(field, length);
                }
            }
            Expects::Varint => {
                if self.varint(byte).is_some() {
                    self.next();
                }
            }
            Expects::Skip(_) => unreachable!("skipped by the caller"),
        }
    }

    // The flag is the most significant byte of five: a compressed frame would have an absurd length.
    fn prefix(&mut self, byte: u8, missing: u32) {
        self.number = self.number << 8 | u64::from(byte);
        self.expects = Expects::Prefix(missing);
        if missing == 0 {
            let length = std::mem::take(&mut self.number);
            assert!(length < 1 << 32, "frames are not compressed");
            self.ends.push(self.position + length);
            self.next();
        }
    }

    fn varint(&mut self, byte: u8) -> Option<u64> {
        self.number |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        if byte >= 0x80 {
            return None;
        }
        self.shift = 0;
        Some(std::mem::take(&mut self.number))
    }

    fn field(&mut self, number: u64, wire_type: u64) {
        match wire_type {
            0 => self.expects = Expects::Varint,
            1 => self.skip(8),
            2 => self.expects = Expects::Length(number),
            5 => self.skip(4),
            other => panic!("protobuf has no wire type {other}"),
        }
    }

    fn enter(&mut self, field: u64, length: u64) {
        let depth = self.ends.len();
        if self.path[depth - 1] != field {
            return self.skip(length);
        }
        if depth == self.path.len() {
            self.items += 1;
            return self.skip(length);
        }
        self.ends.push(self.position + length);
        self.next();
    }

    fn skip(&mut self, length: u64) {
        match length {
            0 => self.next(),
            _ => self.expects = Expects::Skip(length),
        }
    }

    // After a field: leaves the messages that end here.
    fn next(&mut self) {
        self.expects = Expects::Key;
        while self.ends.last() == Some(&self.position) {
            self.ends.pop();
            if self.ends.is_empty() {
                self.frames += 1;
                self.expects = PREFIX;
            }
        }
    }
}
