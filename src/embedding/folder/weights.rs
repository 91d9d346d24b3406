use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::files::unfit;
use crate::embedding::EmbedderError;
use crate::embedding::id::Fingerprint;

/// A header of some hundred tensors has some ten thousand bytes.
const HEADER_LIMIT: u64 = 16 << 20;
/// Read at once: large enough that reading costs nothing beside the disk.
const PIECE_BYTES: usize = 256 << 10;

/// A file of tensors in the format `safetensors`, read one tensor at a time, so that a model never
/// lies in memory twice.
///
/// The file is 8 bytes with the header's length, little endian, then the header as JSON, then the
/// numbers: <https://github.com/huggingface/safetensors#format>.
#[derive(Debug)]
pub(super) struct Weights {
    file: File,
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    /// Where the numbers begin and how many bytes they have.
    start: u64,
    len: u64,
    /// Some models carry their tensors under a name of their own.
    prefix: &'static str,
    fingerprint: Fingerprint,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    dtype: Kind,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    F32,
    F16,
    BF16,
    #[serde(other)]
    Other,
}

impl Weights {
    /// Opens the file. Every tensor that is taken goes into the fingerprint.
    pub(super) fn open(path: &Path, fingerprint: Fingerprint) -> Result<Self, EmbedderError> {
        let unreadable = |cause| EmbedderError::Unreadable { path: path.to_owned(), cause };
        let mut file = File::open(path).map_err(unreadable)?;
        let whole = file.metadata().map_err(unreadable)?.len();
        let mut len = [0; 8];
        file.read_exact(&mut len).map_err(unreadable)?;
        let header_len = u64::from_le_bytes(len);
        let start = header_len.saturating_add(8);
        if header_len > HEADER_LIMIT || start > whole {
            return Err(unfit(path, "it is cut short, or not a safetensors file"));
        }
        let mut header = Vec::new();
        (&mut file).take(header_len).read_to_end(&mut header).map_err(unreadable)?;
        let tensors = parse_header(&header).map_err(|error| unfit(path, error.to_string()))?;
        let prefix = if tensors.contains_key("bert.embeddings.word_embeddings.weight") {
            "bert."
        } else {
            ""
        };
        let path = path.to_owned();
        Ok(Self { file, path, tensors, start, len: whole - start, prefix, fingerprint })
    }

    /// Reads one tensor, which must have this shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedderError> {
        let name = format!("{}{name}", self.prefix);
        let (kind, offset, count) =
            self.place(&name, shape).map_err(|problem| unfit(&self.path, problem))?;
        self.fingerprint.add(name.as_bytes());
        shape.iter().for_each(|&extent| self.fingerprint.add_length(extent));
        self.numbers(kind, offset, count)
            .map_err(|cause| EmbedderError::Unreadable { path: self.path.clone(), cause })
    }

    pub(super) fn into_fingerprint(self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self, name: &str, shape: &[usize]) -> Result<(Kind, u64, usize), String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it lacks {name}"))?;
        if tensor.shape != shape {
            return Err(format!("{name} has the shape {:?}; expected {shape:?}", tensor.shape));
        }
        let size = tensor.dtype.size_bytes();
        let size = size.ok_or_else(|| format!("{name} is neither F32, F16 nor BF16"))?;
        let count = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
        let [from, to] = tensor.data_offsets;
        let bytes = count.and_then(|count| u64::try_from(count.checked_mul(size)?).ok());
        match (count, bytes) {
            (Some(count), Some(bytes)) if to <= self.len && to.checked_sub(from) == Some(bytes) => {
                Ok((tensor.dtype, self.start + from, count))
            }
            _ => Err(format!("{name} lies outside of the file")),
        }
    }

    fn numbers(&mut self, kind: Kind, offset: u64, count: usize) -> std::io::Result<Vec<f32>> {
        self.file.seek(SeekFrom::Start(offset))?;
        let mut numbers = Vec::with_capacity(count);
        let size = kind.size_bytes().unwrap_or(1);
        let mut piece = vec![0; PIECE_BYTES];
        while numbers.len() < count {
            piece.truncate((count - numbers.len()).saturating_mul(size));
            self.file.read_exact(&mut piece)?;
            self.fingerprint.add_piece(&piece);
            kind.decode(&piece, &mut numbers);
        }
        Ok(numbers)
    }
}

impl Kind {
    fn size_bytes(self) -> Option<usize> {
        match self {
            Self::F32 => Some(4),
            Self::F16 | Self::BF16 => Some(2),
            Self::Other => None,
        }
    }

    fn decode(self, bytes: &[u8], numbers: &mut Vec<f32>) {
        match self {
            Self::F32 => {
                let (fours, _) = bytes.as_chunks::<4>();
                numbers.extend(fours.iter().map(|&four| f32::from_le_bytes(four)));
            }
            Self::F16 | Self::BF16 => {
                let widen = if self == Self::F16 { of_half } else { of_brain };
                let (twos, _) = bytes.as_chunks::<2>();
                numbers.extend(twos.iter().map(|&two| widen(u16::from_le_bytes(two))));
            }
            Self::Other => {}
        }
    }
}

fn parse_header(header: &[u8]) -> Result<HashMap<String, Tensor>, serde_json::Error> {
    let entries: HashMap<String, Value> = serde_json::from_slice(header)?;
    let tensors = entries.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors.map(|(name, entry)| Ok((name, serde_json::from_value(entry)?))).collect()
}

/// Brain floating point: the upper half of an `f32`.
fn of_brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of mantissa.
fn of_half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, mantissa) = (u32::from(bits >> 10) & 0x1f, u32::from(bits) & 0x3ff);
    let size = match exponent {
        // Subnormal: the mantissa counts steps of 2^-24.
        0 => f32::from(bits & 0x3ff) / 16_777_216.0,
        0x1f => f32::from_bits(0xff << 23 | mantissa << 13),
        _ => f32::from_bits((exponent + 112) << 23 | mantissa << 13),
    };
    f32::from_bits(size.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_numbers_are_widened() {
        let cases = [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x7bff, 65504.0)];
        for (bits, number) in cases {
            assert_eq!(of_half(bits), number);
        }
        assert_eq!(of_half(0x0001), 2.0_f32.powi(-24));
        assert_eq!(of_half(0x8000).to_bits(), (-0.0_f32).to_bits());
        assert!(of_half(0x7e00).is_nan() && of_half(0x7c00) == f32::INFINITY);
        assert_eq!(of_brain(0xbf80), -1.0);
    }
}
