//! A tiny model of random numbers, run by the room and by a plain forward pass written here anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config::EmbeddingSection;
use crate::embedding::tests::nothing_set;
use crate::embedding::{Embedder, EmbedderError, Purpose};

const HIDDEN: usize = 8;
const WIDE: usize = 12;
const HEADS: usize = 2;
const LAYERS: usize = 2;
const PLACES: usize = 10;
const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "par", "##king", "lot", "42", "!"];
const EPSILON: f64 = 1e-12;

/// The tensors by name, each with its shape.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors() -> Tensors {
    let mut seed = 42_u32;
    let mut random = |_| {
        // Numerical Recipes' linear congruential generator.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize]| {
        let numbers = (0..shape.iter().product::<usize>()).map(&mut random).collect();
        tensors.insert(name, (shape.to_vec(), numbers));
    };
    for (name, rows) in [("word", WORDS.len()), ("position", PLACES), ("token_type", 2)] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, HIDDEN]);
    }
    let mut both = |name: String, shape: &[usize]| {
        add(format!("{name}.weight"), shape);
        add(format!("{name}.bias"), &shape[..1]);
    };
    both("embeddings.LayerNorm".to_owned(), &[HIDDEN]);
    for layer in 0..LAYERS {
        let path = |name: &str| format!("encoder.layer.{layer}.{name}");
        for name in ["self.query", "self.key", "self.value", "output.dense"] {
            both(path(&format!("attention.{name}")), &[HIDDEN, HIDDEN]);
        }
        both(path("attention.output.LayerNorm"), &[HIDDEN]);
        both(path("intermediate.dense"), &[WIDE, HIDDEN]);
        both(path("output.dense"), &[HIDDEN, WIDE]);
        both(path("output.LayerNorm"), &[HIDDEN]);
    }
    tensors
}

fn write_folder(prefix: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    for (name, (shape, numbers)) in tensors() {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(format!("{prefix}{name}"), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let len = u64::try_from(header.len()).unwrap().to_le_bytes();
    let file = [len.as_slice(), header.as_slice(), data.as_slice()].concat();
    fs::write(folder.path().join("model.safetensors"), file).unwrap();
    fs::write(folder.path().join("vocab.txt"), WORDS.join("\n")).unwrap();
    write(folder.path(), "config.json", &config());
    folder
}

fn config() -> Value {
    json!({
        "model_type": "bert", "hidden_size": HIDDEN, "intermediate_size": WIDE,
        "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "hidden_act": "gelu",
        "max_position_embeddings": PLACES, "type_vocab_size": 2, "vocab_size": WORDS.len(),
        "layer_norm_eps": EPSILON,
    })
}

fn write(folder: &Path, name: &str, json: &Value) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, json.to_string()).unwrap();
}

fn open(folder: &Path) -> Result<Embedder, EmbedderError> {
    let settings = EmbeddingSection { model_path: Some(folder.to_owned()), ..nothing_set() };
    Embedder::open(&settings).map(Option::unwrap)
}

/// The forward pass in its plainest form: lists of lists, in double precision.
struct Reference(Tensors);

impl Reference {
    fn get(&self, name: &str) -> Vec<f64> {
        self.0[name].1.iter().map(|&number| f64::from(number)).collect()
    }

    fn linear(&self, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (weight, bias) =
            (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        let one = |row: &Vec<f64>| {
            let out = weight.chunks(row.len()).zip(&bias);
            out.map(|(weight, bias)| dot(weight, row) + bias).collect()
        };
        rows.iter().map(one).collect()
    }

    fn norm(&self, name: &str, rows: &mut [Vec<f64>]) {
        let (weight, bias) =
            (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        for row in rows {
            let count = row.len() as f64;
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            for (i, x) in row.iter_mut().enumerate() {
                *x = (*x - mean) / (variance + EPSILON).sqrt() * weight[i] + bias[i];
            }
        }
    }

    fn attend(&self, path: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let [query, key, value] = ["query", "key", "value"]
            .map(|name| self.linear(&format!("{path}.attention.self.{name}"), rows));
        let width = HIDDEN / HEADS;
        let mut seen = vec![vec![0.0; HIDDEN]; rows.len()];
        for (head, i) in (0..HEADS).flat_map(|head| (0..rows.len()).map(move |i| (head, i))) {
            let columns = head * width..(head + 1) * width;
            let score = |j: usize| {
                (dot(&query[i][columns.clone()], &key[j][columns.clone()]) / (width as f64).sqrt())
                    .exp()
            };
            let sum: f64 = (0..rows.len()).map(score).sum();
            for (j, column) in (0..rows.len()).flat_map(|j| columns.clone().map(move |c| (j, c))) {
                seen[i][column] += score(j) / sum * value[j][column];
            }
        }
        seen
    }

    fn run(&self, pieces: &[usize], pool_first: bool) -> Vec<f64> {
        let [words, places, types] = ["word", "position", "token_type"]
            .map(|name| self.get(&format!("embeddings.{name}_embeddings.weight")));
        let sum = |(place, &piece): (usize, &usize)| {
            let of = |i| words[piece * HIDDEN + i] + places[place * HIDDEN + i] + types[i];
            (0..HIDDEN).map(of).collect()
        };
        let mut rows: Vec<Vec<f64>> = pieces.iter().enumerate().map(sum).collect();
        self.norm("embeddings.LayerNorm", &mut rows);
        for layer in 0..LAYERS {
            let path = format!("encoder.layer.{layer}");
            let seen = self.attend(&path, &rows);
            let joined = self.linear(&format!("{path}.attention.output.dense"), &seen);
            add(&mut rows, &joined);
            self.norm(&format!("{path}.attention.output.LayerNorm"), &mut rows);
            let mut wide = self.linear(&format!("{path}.intermediate.dense"), &rows);
            wide.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            add(&mut rows, &self.linear(&format!("{path}.output.dense"), &wide));
            self.norm(&format!("{path}.output.LayerNorm"), &mut rows);
        }
        let taken = if pool_first { 1 } else { rows.len() };
        let sum: Vec<f64> = (0..HIDDEN).map(|i| rows[..taken].iter().map(|r| r[i]).sum()).collect();
        let length = dot(&sum, &sum).sqrt();
        sum.iter().map(|x| x / length).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(rows: &mut [Vec<f64>], more: &[Vec<f64>]) {
    let numbers = rows.iter_mut().flatten().zip(more.iter().flatten());
    numbers.for_each(|(x, more)| *x += more);
}

/// With the error function as its series, which has nothing in common with the room's.
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    0.5 * x * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
}

fn assert_near(got: &[f32], expected: &[f64]) {
    let near = got.iter().zip(expected).all(|(&a, b)| (f64::from(a) - b).abs() < 2e-5);
    assert!(near && got.len() == expected.len(), "{got:?}\n{expected:?}");
}

#[actix_web::test]
async fn a_folder_gives_the_vectors_of_its_model() {
    let texts = ["Parking lot 42!", "lot", "", "a lot of words 42 42 42 42 42 42 42"];
    let pieces: [&[usize]; 4] =
        [&[2, 4, 5, 6, 7, 8, 3], &[2, 6, 3], &[2, 3], &[2, 1, 6, 1, 1, 7, 7, 7, 7, 3]];
    let reference = Reference(tensors());
    for (prefix, pool_first) in [("", false), ("bert.", true)] {
        let folder = write_folder(prefix);
        if pool_first {
            let mode = json!({ "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false });
            write(folder.path(), "1_Pooling/config.json", &mode);
        }
        let embedder = open(folder.path()).unwrap();

        let vectors = embedder.embed(&texts, Purpose::Passage).await.unwrap();

        for ((vector, pieces), text) in vectors.iter().zip(pieces).zip(texts) {
            assert_near(vector, &reference.run(pieces, pool_first));
            let alone = embedder.embed(&[text], Purpose::Query).await.unwrap();
            assert_near(&alone[0], &reference.run(pieces, pool_first));
        }
    }
}

#[actix_web::test]
async fn the_folder_says_what_stands_before_a_question() {
    let folder = write_folder("");
    let plain = open(folder.path()).unwrap();
    let prompts = json!({ "prompts": { "query": "parking ", "document": "lot " } });
    write(folder.path(), "config_sentence_transformers.json", &prompts);
    let marked = open(folder.path()).unwrap();

    let expected = plain.embed(&["parking 42", "lot 42"], Purpose::Query).await.unwrap();

    assert_eq!(marked.embed(&["42"], Purpose::Query).await.unwrap()[0], expected[0]);
    assert_eq!(marked.embed(&["42"], Purpose::Passage).await.unwrap()[0], expected[1]);
    assert_ne!(marked.model(), plain.model(), "memories have other vectors now");
}

#[test]
fn a_model_is_named_after_what_it_is() {
    let (one, same, other) = (write_folder(""), write_folder(""), write_folder(""));
    let path = other.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let id = |folder: &TempDir| open(folder.path()).unwrap().model().unwrap();

    assert_eq!(id(&one), id(&same));
    assert_ne!(id(&one), id(&other));
    assert!(id(&one).to_string().starts_with("folder:"));
    assert_eq!(open(one.path()).unwrap().dimensions(), Some(HIDDEN));
}

#[test]
fn a_folder_that_does_not_fit_says_why() {
    let refusal = |spoil: &dyn Fn(&Path)| {
        let folder = write_folder("");
        spoil(folder.path());
        open(folder.path()).unwrap_err().to_string()
    };
    let with = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        refusal(&|folder| write(folder, "config.json", &config))
    };
    assert!(with("model_type", json!("xlm-roberta")).contains("only \"bert\" is run"));
    assert!(with("hidden_size", json!(7)).contains("multiple of num_attention_heads"));
    assert!(with("num_hidden_layers", json!(1_u64 << 40)).contains("expected 1 to 64"));
    assert!(with("num_hidden_layers", json!(3)).contains("it lacks encoder.layer.2."));
    assert!(with("intermediate_size", json!(16)).contains("expected [16, 8]"));
    assert!(with("vocab_size", json!(5)).contains("vocab_size 5"));
    assert!(with("hidden_act", json!("silu")).contains("config.json cannot be used"));
    let cut = refusal(&|folder| {
        let path = folder.join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 4]).unwrap();
    });
    assert!(cut.contains("lies outside of the file"), "{cut}");
    let absurd = refusal(&|folder| {
        fs::write(folder.join("model.safetensors"), [0xff; 16]).unwrap();
    });
    assert!(absurd.contains("not a safetensors file"), "{absurd}");
    let unigram = json!({ "model": { "type": "Unigram", "vocab": [] } });
    let unigram = refusal(&|folder| write(folder, "tokenizer.json", &unigram));
    assert!(unigram.contains("WordPiece"), "{unigram}");
    let dense = json!([{ "path": "2_Dense", "type": "sentence_transformers.models.Dense" }]);
    let dense = refusal(&|folder| write(folder, "modules.json", &dense));
    assert!(dense.contains("Dense"), "{dense}");
}
