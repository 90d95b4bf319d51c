//! Event files, as TensorBoard reads them: records of TFRecord, each an `Event` message of
//! tensorflow/core/util/event.proto, with scalars.

/// What files begin with.
const VERSION: &str = "brain.Event:2";
/// Sums are turned and shifted by this, so that sums of records that hold sums are not their own.
const MASK: u32 = 0xa282_ead8;

/// An event file under way.
pub(super) struct EventFile(Vec<u8>);

impl EventFile {
    pub(super) fn new() -> Self {
        let mut file = Self(Vec::new());
        let mut event = Vec::new();
        bytes(&mut event, 3, VERSION.as_bytes());
        file.record(&event);
        file
    }

    /// The numbers of a step. Results have no hours of the day, so the step stands for the second, too.
    pub(super) fn scalars(&mut self, step: i64, numbers: &[(&str, f64)]) {
        let mut summary = Vec::new();
        for (tag, number) in numbers {
            let mut value = Vec::new();
            bytes(&mut value, 1, tag.as_bytes());
            key(&mut value, 2, 5);
            value.extend((*number as f32).to_le_bytes());
            bytes(&mut summary, 1, &value);
        }
        let mut event = Vec::new();
        key(&mut event, 1, 1);
        event.extend((step as f64).to_le_bytes());
        key(&mut event, 2, 0);
        varint(&mut event, step as u64);
        bytes(&mut event, 5, &summary);
        self.record(&event);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn record(&mut self, data: &[u8]) {
        let length = (data.len() as u64).to_le_bytes();
        self.0.extend(length);
        self.0.extend(masked_sum(&length));
        self.0.extend(data);
        self.0.extend(masked_sum(data));
    }
}

fn masked_sum(bytes: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(bytes);
    sum.rotate_right(15).wrapping_add(MASK).to_le_bytes()
}

/// What a field begins with: its number, and how it is written.
fn key(message: &mut Vec<u8>, field: u64, kind: u64) {
    varint(message, field << 3 | kind);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// A field of text or of another message.
fn bytes(message: &mut Vec<u8>, field: u64, content: &[u8]) {
    key(message, field, 2);
    varint(message, content.len() as u64);
    message.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by TensorBoard's own writer for the same events, hours apart.
    #[test]
    fn files_are_those_of_tensorboard() {
        let mut file = EventFile::new();
        file.scalars(1, &[("loss", 0.5)]);
        file.scalars(300, &[("loss", 0.25), ("learning_rate", 1e-4)]);
        let golden = include_bytes!("../../golden/events.out.tfevents");
        assert_eq!(file.finish(), golden);
    }
}
