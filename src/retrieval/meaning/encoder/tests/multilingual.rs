use super::*;

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
    assert_eq!(name(&encoder), model_id);
    assert_eq!(encoder.dims(), WIDTH);
    assert_near(&encoder, &bert, &cases);
}
