use super::*;

/// The pieces of the small vocabulary, with their scores; the first four stand for no text.
const PIECES: [(&str, f32); 14] = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("\u{2581}", -3.0),
    ("\u{2581}q", -5.0),
    (":", -4.0),
    ("a", -4.5),
    ("b", -4.0),
    ("ab", -6.0),
    ("abc", -7.0),
    ("\u{2581}ab", -8.5),
    ("\u{6771}", -6.0),
    ("\u{6771}\u{4eac}", -9.0),
];
const UNKNOWN: u32 = 3;
const LAYERS: u16 = 2;
const VOCABULARY: usize = 64 + 10 * 12 + 29;

/// A model of two layers with weights that look like chance, and a small vocabulary of its own.
fn file() -> Vec<u8> {
    let mut file = b"MEMDENC\0".to_vec();
    let sizes = [1, LAYERS, 12, 384, 1_536, 384, 256, 0, 2, 1];
    file.extend(sizes.iter().flat_map(|size: &u16| size.to_le_bytes()));
    for number in [PIECES.len(), VOCABULARY] {
        file.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    file.extend([0; 12]);
    file.extend([7; 16]);
    vocabulary(&mut file);

    let mut chance = Chance(1);
    for _ in 0..PIECES.len() * WIDTH / 32 {
        file.extend([0, 0x28]);
        chance.bytes(16, &mut file);
    }
    chance.floats(LONGEST * WIDTH, 0.1, &mut file);
    norm(&mut file);
    for _ in 0..LAYERS {
        chance.matrix(3 * WIDTH, WIDTH, &mut file);
        chance.matrix(WIDTH, WIDTH, &mut file);
        norm(&mut file);
        chance.matrix(INNER, WIDTH, &mut file);
        chance.matrix(WIDTH, INNER, &mut file);
        norm(&mut file);
    }
    chance.floats(WIDTH, 0.01, &mut file);
    file
}

fn vocabulary(file: &mut Vec<u8>) {
    let mut order: Vec<u32> = (4..).take(PIECES.len() - 4).collect();
    order.sort_by_key(|&piece| PIECES[piece as usize].0);
    let mut numbers = vec![10, UNKNOWN, (-19.0_f32).to_bits(), 2, 1, 5, 6];
    numbers.resize(10, 0);
    numbers.push(4);
    numbers.resize(16, 0);
    let mut end = 0;
    for &piece in &order {
        end += u32::try_from(PIECES[piece as usize].0.len()).unwrap();
        numbers.push(end);
    }
    numbers.extend(&order);
    numbers.extend(order.iter().map(|&piece| PIECES[piece as usize].1.to_bits()));
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    file.extend(order.iter().flat_map(|&piece| PIECES[piece as usize].0.bytes()));
}

fn norm(file: &mut Vec<u8>) {
    file.extend([1.0_f32.to_le_bytes(); WIDTH].as_flattened());
    file.extend([0; 4 * WIDTH]);
}

/// Numbers of a congruential generator (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0.to_le_bytes()[7]
    }

    fn bytes(&mut self, count: usize, file: &mut Vec<u8>) {
        file.extend((0..count).map(|_| self.next()));
    }

    fn floats(&mut self, count: usize, size: f32, file: &mut Vec<u8>) {
        for _ in 0..count {
            let number = (f32::from(self.next()) - 127.5) / 128.0 * size;
            file.extend(number.to_le_bytes());
        }
    }

    fn matrix(&mut self, rows: usize, width: usize, file: &mut Vec<u8>) {
        self.bytes(rows * width, file);
        file.extend([0.000_5_f32.to_le_bytes(); 4 * INNER][..rows].as_flattened());
        self.floats(rows, 0.1, file);
    }
}

fn encoder(arch: Arch) -> Encoder {
    Encoder::read_for(Vec::leak(file()), arch).unwrap()
}

fn cut_as(side: Side, text: &str) -> Vec<u32> {
    let bert = Pieces::parse("[UNK]");
    encoder(Arch::new()).pieces_of(&bert, side, &[text])
}

#[test]
fn a_word_is_cut_into_the_pieces_that_are_likeliest_together() {
    let cut = |text: &str| cut_as(Side::Memory, text).split_off(1);

    assert_eq!(cut("ab"), [11], "-8.5, where the space and ab are -9");
    assert_eq!(cut("abc"), [4, 10]);
    assert_eq!(cut("aab  ba"), [4, 7, 9, 4, 8, 7]);
    assert_eq!(cut("\u{6771}\u{4eac}\u{6771}"), [4, 13, 12]);
    assert_eq!(cut("axyzb \u{4eac}"), [4, 7, 3, 8, 4, 3], "neighbors that are unknown are one");
    assert_eq!(cut("<s>"), [4, 3], "a mark in a text is mere text");
}

#[test]
fn a_prefix_tells_a_question_from_a_memory() {
    assert_eq!(cut_as(Side::Question, "ab"), [5, 6, 11]);
    assert_eq!(cut_as(Side::Memory, "ab"), [4, 11]);
    assert!(cut_as(Side::Question, " \n").is_empty());
}

#[test]
fn a_text_in_parts_is_read_as_their_words_and_not_beyond_what_the_model_reads() {
    let encoder = encoder(Arch::new());
    let bert = Pieces::parse("[UNK]");

    let whole = encoder.pieces_of(&bert, Side::Question, &["ab ba\u{6771}"]);
    let long = "ab ".repeat(20_000);

    assert_eq!(encoder.pieces_of(&bert, Side::Question, &["ab", "", "ba\u{6771}"]), whole);
    assert!(encoder.pieces_of(&bert, Side::Question, &[&long]).len() <= LONGEST + 1);
    assert!(!encoder.pieces_of(&bert, Side::Question, &[&"x".repeat(70_000)]).is_empty());
}

#[test]
fn every_processor_finds_the_same_vector_of_unit_length() {
    let (best, any) = (encoder(Arch::new()), encoder(Arch::Scalar));
    let mut scratch = Scratch::default();
    assert!(best.is_multilingual());

    for count in [1, 2, 7, 40, 300] {
        let pieces: Vec<u32> = (0..count).map(|i| 4 + i * i % 10).collect();
        let vector = best.encode(&pieces, &mut scratch);
        let length: f32 = vector.iter().map(|x| x * x).sum();

        assert_eq!(vector, any.encode(&pieces, &mut scratch), "{count} pieces");
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_eq!(best.encode(&[], &mut scratch), [0.0; WIDTH]);
    assert!(best.encode(&[u32::MAX, 99], &mut scratch).iter().all(|x| x.is_finite()));
}

#[test]
fn a_file_with_a_vocabulary_that_is_cut_or_spoilt_is_refused() {
    let read = |bytes: Vec<u8>| Encoder::read(Vec::leak(bytes)).map(|_| ());
    let with = |at: usize, byte: u8| {
        let mut bytes = file();
        bytes[at] = byte;
        read(bytes)
    };
    let whole = file();
    assert!(read(whole.clone()).is_ok());

    for length in [0, 63, 64, 100, 64 + VOCABULARY, whole.len() - 1] {
        let cut = read(whole[..length].to_vec());
        assert!(matches!(cut, Err(InvalidEncoder::Format | InvalidEncoder::Length { .. })));
    }
    assert!(matches!(with(10, 3), Err(InvalidEncoder::Length { .. })), "a layer more");
    assert!(matches!(with(10, 25), Err(InvalidEncoder::Shape)));
    assert!(matches!(with(31, 255), Err(InvalidEncoder::Length { .. })), "more pieces");
    assert!(matches!(with(67, 255), Err(InvalidEncoder::Vocabulary)), "more texts");
    assert!(matches!(with(68, 14), Err(InvalidEncoder::Vocabulary)), "no such unknown piece");
    assert!(matches!(with(84, 14), Err(InvalidEncoder::Vocabulary)), "no such prefix");
    assert!(matches!(with(128, 2), Err(InvalidEncoder::Vocabulary)), "a text ends elsewhere");
    assert!(
        matches!(with(64 + VOCABULARY - 29, b'b'), Err(InvalidEncoder::Vocabulary)),
        "no order"
    );
    let mut spoilt = whole;
    spoilt.splice(spoilt.len() - 2.., [0x80, 0x7f]);
    assert!(matches!(read(spoilt), Err(InvalidEncoder::Number)));
}

proptest::proptest! {
    // Each leaks its file.
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]
    #[test]
    fn no_spoilt_byte_of_a_vocabulary_does_harm(at in 64..64 + VOCABULARY, byte: u8, text: String) {
        let mut bytes = file();
        bytes[at] = byte;
        if let Ok(encoder) = Encoder::read(Vec::leak(bytes)) {
            let pieces = encoder.pieces_of(&Pieces::parse("[UNK]"), Side::Memory, &[&text, "abab"]);
            proptest::prop_assert!(pieces.len() <= text.len() + 40);
        }
    }
}
