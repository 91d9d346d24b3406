use super::*;

#[derive(serde::Deserialize)]
struct Golden {
    model_id: String,
    cases: Vec<Case>,
}

/// What the library makes of a text, and the weights of the package in `f32`.
#[derive(serde::Deserialize)]
struct Case {
    text: String,
    question: bool,
    ids: Vec<u32>,
    vector: Vec<f32>,
}

/// The file has 82 MB and is no part of the repository: `make model-multilingual` makes it and runs
/// this with its path in `MEMORYD_MULTILINGUAL`.
#[test]
fn pieces_are_those_of_the_library_and_vectors_near_those_in_f32() {
    let Some(path) = option_env!("MEMORYD_MULTILINGUAL") else {
        panic!("MEMORYD_MULTILINGUAL does not name the file");
    };
    let encoder = Encoder::read(Vec::leak(std::fs::read(path).unwrap())).unwrap();
    let bert = Pieces::parse("[UNK]");
    let file = include_str!("../../../../../tests/data/multilingual-golden.json");
    let Golden { model_id, cases } = serde_json::from_str(file).unwrap();
    let id: String = encoder.id().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, model_id);

    let (mut scratch, mut cosines) = (Scratch::default(), Vec::new());
    for case in &cases {
        let side = if case.question { Side::Question } else { Side::Memory };
        let mut found = encoder.pieces_of(&bert, side, &[&case.text]);
        found.truncate(LONGEST - 2);
        assert_eq!(found, case.ids, "{:?}", case.text);

        let vector = encoder.encode(&found, &mut scratch);
        if case.vector.is_empty() {
            assert_eq!(vector, [0.0; WIDTH]);
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
