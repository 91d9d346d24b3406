//! The forward pass: Devlin and others, "BERT: Pre-training of Deep Bidirectional Transformers for
//! Language Understanding", 2019.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::layers::{Linear, Norm, softmax, table};
use super::recipe::{Activation, Pooling, Recipe, Shape};
use super::weights::Weights;
use crate::embedding::EmbedderError;

/// A model's numbers.
#[derive(Debug)]
pub(super) struct Bert {
    words: Array2<f32>,
    /// The vector of the first token type is in it already: there is never a second text.
    positions: Array2<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    pooling: Pooling,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    joined: Linear,
    attention_norm: Norm,
    wide: Linear,
    narrow: Linear,
    norm: Norm,
    activation: Activation,
}

impl Bert {
    pub(super) fn read(weights: &mut Weights, recipe: &Recipe) -> Result<Self, EmbedderError> {
        let shape = &recipe.shape;
        let hidden = shape.hidden_size;
        let mut embeddings = |name: &str, rows: usize| {
            table(weights, &format!("embeddings.{name}_embeddings.weight"), (rows, hidden))
        };
        let words = embeddings("word", shape.vocab_size)?;
        let mut positions = embeddings("position", shape.max_position_embeddings)?;
        let types = embeddings("token_type", shape.type_vocab_size)?;
        if let Some(first) = types.rows().into_iter().next() {
            positions += &first;
        }
        let norm = Norm::read(weights, "embeddings.LayerNorm", hidden, shape.layer_norm_eps)?;
        let layers = (0..shape.num_hidden_layers)
            .map(|number| Layer::read(weights, number, shape))
            .collect::<Result<_, _>>()?;
        let (heads, pooling) = (shape.num_attention_heads, recipe.pooling);
        Ok(Self { words, positions, norm, layers, heads, pooling })
    }

    /// A vector for each text, given as the numbers of its pieces.
    ///
    /// The texts lie one behind the other in one matrix: the large products are made for all of
    /// them at once, and nothing is padded, so no mask is needed.
    pub(super) fn run(&self, texts: &[Vec<usize>]) -> Vec<Vec<f32>> {
        let mut rows = self.embed(texts);
        self.norm.apply(&mut rows);
        let spans = spans(texts);
        for layer in &self.layers {
            rows = layer.run(rows, &spans, self.heads);
        }
        spans.iter().map(|&span| self.pool(&rows.slice_axis(Axis(0), span))).collect()
    }

    fn embed(&self, texts: &[Vec<usize>]) -> Array2<f32> {
        let count = texts.iter().map(Vec::len).sum();
        let mut rows = Array2::zeros((count, self.words.ncols()));
        let tokens = texts.iter().flat_map(|text| text.iter().zip(self.positions.rows()));
        for (mut row, (&piece, position)) in rows.rows_mut().into_iter().zip(tokens) {
            row.assign(&self.words.index_axis(Axis(0), piece));
            row += &position;
        }
        rows
    }

    fn pool(&self, rows: &ArrayView2<'_, f32>) -> Vec<f32> {
        match self.pooling {
            Pooling::Mean => rows.sum_axis(Axis(0)).to_vec(),
            Pooling::First => {
                rows.rows().into_iter().next().map(|row| row.to_vec()).unwrap_or_default()
            }
        }
    }
}

impl Layer {
    fn read(weights: &mut Weights, number: usize, shape: &Shape) -> Result<Self, EmbedderError> {
        let (hidden, wide) = (shape.hidden_size, shape.intermediate_size);
        let path = |name: &str| format!("encoder.layer.{number}.{name}");
        let epsilon = shape.layer_norm_eps;
        Ok(Self {
            query: Linear::read(weights, &path("attention.self.query"), hidden, hidden)?,
            key: Linear::read(weights, &path("attention.self.key"), hidden, hidden)?,
            value: Linear::read(weights, &path("attention.self.value"), hidden, hidden)?,
            joined: Linear::read(weights, &path("attention.output.dense"), hidden, hidden)?,
            attention_norm: Norm::read(
                weights,
                &path("attention.output.LayerNorm"),
                hidden,
                epsilon,
            )?,
            wide: Linear::read(weights, &path("intermediate.dense"), hidden, wide)?,
            narrow: Linear::read(weights, &path("output.dense"), wide, hidden)?,
            norm: Norm::read(weights, &path("output.LayerNorm"), hidden, epsilon)?,
            activation: shape.hidden_act,
        })
    }

    fn run(&self, mut rows: Array2<f32>, spans: &[Slice], heads: usize) -> Array2<f32> {
        rows += &self.joined.apply(&self.attend(&rows, spans, heads));
        self.attention_norm.apply(&mut rows);
        let mut wide = self.wide.apply(&rows);
        self.activation.apply(&mut wide);
        rows += &self.narrow.apply(&wide);
        self.norm.apply(&mut rows);
        rows
    }

    /// Each text looks only at itself, each head only at its columns.
    fn attend(&self, rows: &Array2<f32>, spans: &[Slice], heads: usize) -> Array2<f32> {
        let (query, key) = (self.query.apply(rows), self.key.apply(rows));
        let value = self.value.apply(rows);
        let mut seen = Array2::zeros(rows.raw_dim());
        let width = rows.ncols() / heads;
        for &span in spans {
            let part = |all: &Array2<f32>| all.slice_axis(Axis(0), span).to_owned();
            let (query, key, value) = (part(&query), part(&key), part(&value));
            let mut seen = seen.slice_axis_mut(Axis(0), span);
            let inputs = query
                .axis_chunks_iter(Axis(1), width)
                .zip(key.axis_chunks_iter(Axis(1), width))
                .zip(value.axis_chunks_iter(Axis(1), width));
            for (((query, key), value), seen) in
                inputs.zip(seen.axis_chunks_iter_mut(Axis(1), width))
            {
                look(&query, &key, &value, seen);
            }
        }
        seen
    }
}

/// Scaled dot-product attention: Vaswani and others, "Attention Is All You Need", 2017, 3.2.1.
fn look(
    query: &ArrayView2<'_, f32>,
    key: &ArrayView2<'_, f32>,
    value: &ArrayView2<'_, f32>,
    mut seen: ArrayViewMut2<'_, f32>,
) {
    let mut scores = query.dot(&key.t());
    scores /= (query.ncols() as f32).sqrt();
    scores.rows_mut().into_iter().for_each(softmax);
    seen.assign(&scores.dot(value));
}

/// Where each text lies in the matrix of all.
fn spans(texts: &[Vec<usize>]) -> Vec<Slice> {
    let mut end = 0;
    let span = |text: &Vec<usize>| {
        let start = end;
        end += text.len();
        Slice::from(start..end)
    };
    texts.iter().map(span).collect()
}
