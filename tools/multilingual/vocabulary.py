"""The vocabulary: SentencePiece's unigram model, in the library itself, which is what the program is held to.

Kudo, "Subword Regularization", 2018; Kudo and Richardson, "SentencePiece", 2018.
"""

import io

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from source import END, PAD, START, UNKNOWN

# What the model was taught to see before a question, and before what may answer one.
PREFIXES = ("query:", "passage:")


def processor(source):
    """-> the library's own tokenizer for the pieces of the package. Its numbers are the package's."""
    model = sentencepiece_model_pb2.ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    model.trainer_spec.bos_id, model.trainer_spec.pad_id, model.trainer_spec.eos_id, model.trainer_spec.unk_id = START, PAD, END, UNKNOWN
    model.normalizer_spec.name = "nmt_nfkc"
    model.normalizer_spec.precompiled_charsmap = characters_map()
    for number, (piece, score) in enumerate(zip(source.pieces, source.scores)):
        kind = model.SentencePiece.Type.NORMAL
        if number == UNKNOWN:
            kind = model.SentencePiece.Type.UNKNOWN
        elif piece in (b"<s>", b"<pad>", b"</s>", b"<mask>"):
            kind = model.SentencePiece.Type.CONTROL
        model.pieces.add(piece=piece.decode(), score=float(score), type=kind)
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def characters_map():
    """-> the library's table of the rule "nmt_nfkc", which the model was trained with. Only a trained model has it."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f g"] * 9), model_writer=made, vocab_size=20,
                                             normalization_rule_name="nmt_nfkc", hard_vocab_limit=False, minloglevel=2)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(made.getvalue())
    return model.normalizer_spec.precompiled_charsmap


def spelled(text):
    """-> the text with what the library has changed since the model was made, changed back."""
    return text.replace("\u200d", " ")
