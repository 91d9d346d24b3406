//! The encoder held to what others make of the same texts, and to itself.

use super::*;

/// Holds the encoder of other languages to its golden vectors, where its file is at hand.
#[cfg(feature = "multilingual-golden")]
mod multilingual;
/// Makes small files.
mod synthetic;

static ENCODER: &[u8] = include_bytes!("../../../../../assets/sentence-encoder.bin");
static VOCABULARY: &str = include_str!("../../../../../assets/vocab.txt");

#[derive(serde::Deserialize)]
struct Golden {
    model_id: String,
    cases: Vec<Case>,
}

/// What the model in `f32` makes of a text.
#[derive(serde::Deserialize)]
struct Case {
    text: String,
    /// What it is said for, where that makes a difference.
    #[serde(default)]
    question: bool,
    ids: Vec<u32>,
    vector: Vec<f32>,
}

/// Without optimization only short texts: the long ones take minutes there.
fn golden() -> Golden {
    let file = include_str!("../../../../../tests/data/sentence-encoder-golden.json");
    let mut golden: Golden = serde_json::from_str(file).unwrap();
    if cfg!(debug_assertions) {
        golden.cases.retain(|case| case.ids.len() < 12);
    }
    golden
}

fn encoder_of(arch: Arch) -> Encoder {
    Encoder::read_for(ENCODER, arch).unwrap()
}

fn name(encoder: &Encoder) -> String {
    encoder.id().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn vectors_are_near_those_of_the_model_in_f32() {
    let (encoder, pieces) = (encoder_of(Arch::new()), Pieces::parse(VOCABULARY));
    let Golden { model_id, cases } = golden();
    assert_eq!(name(&encoder), model_id);
    assert_eq!(encoder.dims(), DIMS);
    assert_eq!(encoder.pieces(), pieces.len());
    assert!(!encoder.is_multilingual());

    assert_near(&encoder, &pieces, &cases);
}

/// Holds an encoder to what others make of the same texts: the same pieces, and vectors nearby.
fn assert_near(encoder: &Encoder, pieces: &Pieces, cases: &[Case]) {
    let (mut scratch, mut cosines) = (Scratch::default(), Vec::new());
    for case in cases {
        let side = if case.question { Side::Question } else { Side::Memory };
        let mut found = encoder.pieces_of(pieces, side, &[&case.text]);
        found.truncate(LONGEST - 2);
        assert_eq!(found, case.ids, "{:?}", case.text);

        let vector = encoder.encode(&found, &mut scratch);
        if case.vector.is_empty() {
            assert_eq!(vector, vec![0.0; encoder.dims()]);
        } else {
            let cosine = cosine(&vector, &case.vector);
            assert!(cosine >= 0.99, "{cosine} for {:?}", case.text);
            cosines.push(cosine);
        }
    }
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    let least = cosines.iter().copied().fold(1.0, f32::min);
    assert!(mean >= 0.998, "least {least}, mean {mean}");
}

#[test]
fn every_processor_finds_the_same_vector() {
    let (best, any) = (encoder_of(Arch::new()), encoder_of(Arch::Scalar));
    let mut scratch = Scratch::default();

    for case in golden().cases {
        let vector = best.encode(&case.ids, &mut scratch);
        assert_eq!(vector, any.encode(&case.ids, &mut scratch), "{:?}", case.text);
    }
}

#[test]
fn a_vector_has_unit_length_and_does_not_depend_on_what_came_before() {
    let encoder = encoder_of(Arch::new());
    let text = [2023, 2003, 1037, 3231];

    let fresh = encoder.encode(&text, &mut Scratch::default());
    let mut scratch = Scratch::default();
    for length in [300, 37, 36, 7, 6, 1] {
        let _ = encoder.encode(&vec![2204; length], &mut scratch);
    }

    assert_eq!(encoder.encode(&text, &mut scratch), fresh);
    let length: f32 = fresh.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
}

#[test]
fn what_comes_after_the_longest_text_is_not_read() {
    let (encoder, mut scratch) = (encoder_of(Arch::new()), Scratch::default());
    let long: Vec<u32> = (2000..2300).collect();

    let whole = encoder.encode(&long, &mut scratch);

    assert_eq!(encoder.encode(&long[..LONGEST - 2], &mut scratch), whole);
    assert_ne!(encoder.encode(&long[..LONGEST - 3], &mut scratch), whole);
}

#[test]
fn a_number_that_no_piece_has_is_survived() {
    let (encoder, mut scratch) = (encoder_of(Arch::new()), Scratch::default());

    assert!(encoder.encode(&[u32::MAX; 3], &mut scratch).iter().all(|x| x.is_finite()));
}

#[test]
fn a_file_that_is_cut_or_foreign_or_spoilt_is_refused() {
    let read = |bytes: Vec<u8>| Encoder::read(Vec::leak(bytes)).map(|_| ());
    let with = |at: usize, byte: u8| {
        let mut bytes = ENCODER.to_vec();
        bytes[at] = byte;
        bytes
    };

    assert!(matches!(read(Vec::new()), Err(InvalidEncoder::Format)));
    assert!(matches!(read(vec![0; 100]), Err(InvalidEncoder::Format)));
    assert!(matches!(read(ENCODER[..63].to_vec()), Err(InvalidEncoder::Format)));
    let found = ENCODER.len() - 1;
    let Err(InvalidEncoder::Length { found: told, promised }) = read(ENCODER[..found].to_vec())
    else {
        panic!("a file that is cut was read");
    };
    assert_eq!((told, promised), (found, ENCODER.len()));
    assert!(matches!(read(with(8, 2)), Err(InvalidEncoder::Format)));
    assert!(matches!(read(with(10, 0)), Err(InvalidEncoder::Shape)), "no layers");
    assert!(matches!(read(with(10, 5)), Err(InvalidEncoder::Length { .. })), "a layer less");
    assert!(matches!(read(with(12, 6)), Err(InvalidEncoder::Shape)), "other heads");
    assert!(matches!(read(with(26, 2)), Err(InvalidEncoder::Shape)), "no kind");
    assert!(matches!(read(with(31, 255)), Err(InvalidEncoder::Length { .. })));
    let mut spoilt = with(ENCODER.len() - 1, 0x7f);
    spoilt[ENCODER.len() - 2] = 0x80;
    assert!(matches!(read(spoilt), Err(InvalidEncoder::Number)));
}
