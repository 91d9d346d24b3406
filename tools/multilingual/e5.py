"""multilingual-e5-small (BERT, 12 layers, 384 wide) in f32: Wang and others, "Multilingual E5 Text Embeddings", 2024."""

import pathlib
import sys

import numpy

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "encoder"))
import model
from source import END, START

LAYERS = 12
QUESTION, MEMORY = 0, 1
# Pieces that are read, with the two marks and the prefix: as many as the program reads. The model knows 512 places.
LONGEST = 256


class Model(model.Model):
    """`tokenizer` is the library's; `embed_side` reads texts as questions or as memories."""

    def pooled(self, ids):
        x = self.norm(self.embedded(ids), "embeddings.LayerNorm")
        for i in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{i}")
        return x.mean(1)

    def pieces(self, side, texts):
        """-> the numbers of the pieces of each text, with its prefix, without the marks; none for a text without any."""
        # Only here: what checks the file alone needs numpy only.
        import vocabulary

        found = self.tokenizer.encode([vocabulary.spelled(text) for text in texts])
        prefix = self.tokenizer.encode(vocabulary.PREFIXES[side])
        return [(prefix + one)[: LONGEST - 2] if one else [] for one in found]

    def embed_side(self, side, texts):
        """-> f32 [n, 384] of unit length, as the model makes them"""
        return self.embed_ids([[START, *one, END] for one in self.pieces(side, texts)])


def of_source(source):
    import vocabulary

    return Model(source.w, vocabulary.processor(source))
