//! A layer: Devlin and others, "BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding", 2019.

use pulp::Arch;

use super::attention::{Head, Looks, attend};
use super::matrix::Matrix;
use super::numbers::{Norm, gelu};
use super::product::ROWS;
use super::read::{InvalidEncoder, Reader};
use super::rows::Rows;
use super::{INNER, WIDTH};

/// So many rows are multiplied before the next ones are begun: what belongs to them stays in the
/// second cache while the weights pass by. Most texts have no more, so they read each weight once.
const TOGETHER: usize = 6 * ROWS;

/// The weights of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    looks: Matrix,
    joined: Matrix,
    first_norm: Norm,
    wide: Matrix,
    narrow: Matrix,
    second_norm: Norm,
}

/// What a layer writes on.
#[derive(Debug, Default)]
pub(super) struct Block {
    looks: Vec<Looks>,
    head: Head,
    seen: Vec<[f32; WIDTH]>,
    rows: Rows,
    wide: Rows,
    sums: Vec<i32>,
}

impl Layer {
    pub(super) fn read(reader: &mut Reader) -> Result<Self, InvalidEncoder> {
        Ok(Self {
            looks: Matrix::read(reader, 3 * WIDTH, WIDTH)?,
            joined: Matrix::read(reader, WIDTH, WIDTH)?,
            first_norm: Norm::read(reader)?,
            wide: Matrix::read(reader, INNER, WIDTH)?,
            narrow: Matrix::read(reader, WIDTH, INNER)?,
            second_norm: Norm::read(reader)?,
        })
    }

    /// Takes the rows of a text through the layer.
    #[inline(always)]
    pub(super) fn run(&self, rows: &mut [[f32; WIDTH]], block: &mut Block, arch: Arch) {
        self.look(rows, block, arch);
        let Block { seen, rows: codes, wide, sums, .. } = block;
        for (rows, seen) in rows.chunks_mut(TOGETHER).zip(seen.chunks(TOGETHER)) {
            round(seen, codes);
            self.joined.multiply(codes, sums, arch);
            add(rows, &self.joined, codes, sums);
            norm(rows, &self.first_norm);

            round(rows, codes);
            self.wide.multiply(codes, sums, arch);
            self.bend(codes, sums, wide);
            self.narrow.multiply(wide, sums, arch);
            add(rows, &self.narrow, wide, sums);
            norm(rows, &self.second_norm);
        }
    }

    /// Every row looks at all of them.
    #[inline(always)]
    fn look(&self, rows: &[[f32; WIDTH]], block: &mut Block, arch: Arch) {
        let Block { looks, head, seen, rows: codes, sums, .. } = block;
        looks.resize(rows.len(), [0.0; 3 * WIDTH]);
        seen.resize(rows.len(), [0.0; WIDTH]);
        for (rows, looks) in rows.chunks(TOGETHER).zip(looks.chunks_mut(TOGETHER)) {
            round(rows, codes);
            self.looks.multiply(codes, sums, arch);
            for ((look, sums), &scale) in
                looks.iter_mut().zip(sums.as_chunks().0).zip(&codes.scales)
            {
                *look = self.looks.finish(sums, scale);
            }
        }
        attend(looks, head, seen);
    }

    /// From the products with the wide matrix to what the narrow one is multiplied with.
    #[inline(always)]
    fn bend(&self, codes: &Rows, sums: &[i32], wide: &mut Rows) {
        wide.clear(codes.scales.len(), INNER);
        for (at, (sums, &scale)) in sums.as_chunks().0.iter().zip(&codes.scales).enumerate() {
            let mut row: [f32; INNER] = self.wide.finish(sums, scale);
            row.iter_mut().for_each(|x| *x = gelu(*x));
            wide.put(at, &row);
        }
    }
}

#[inline(always)]
fn round(rows: &[[f32; WIDTH]], into: &mut Rows) {
    into.clear(rows.len(), WIDTH);
    for (at, row) in rows.iter().enumerate() {
        into.put(at, row);
    }
}

/// Adds to each row its product with a matrix.
#[inline(always)]
fn add(rows: &mut [[f32; WIDTH]], matrix: &Matrix, codes: &Rows, sums: &[i32]) {
    for ((row, sums), &scale) in rows.iter_mut().zip(sums.as_chunks().0).zip(&codes.scales) {
        let more: [f32; WIDTH] = matrix.finish(sums, scale);
        row.iter_mut().zip(more).for_each(|(x, more)| *x += more);
    }
}

#[inline(always)]
fn norm(rows: &mut [[f32; WIDTH]], norm: &Norm) {
    for row in rows {
        norm.apply(row);
    }
}
