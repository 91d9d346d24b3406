//! Words that say how a sentence is built, in the European languages that are spoken most beside
//! English.

/// Whether a folded word is an article, a pronoun, a preposition, a conjunction, an auxiliary or a
/// question word of German, French, Spanish, Italian, Portuguese or Dutch. Many of them are English
/// words with a subject ("die", "man", "war"), so this says something only of another text.
pub(super) fn is_function(word: &str) -> bool {
    word.len() <= LONGEST && WORDS.binary_search(&word).is_ok()
}

const LONGEST: usize = 8;

/// Sorted, so that it can be searched by halves; without those that are stop words anyway.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "aan", "aber", "ad", "agli", "ai", "ainsi", "al", "algo", "alguna", "algunas", "alguno",
    "algunos", "alla", "alle", "allem", "allen", "aller", "alles", "allo", "alors", "als", "anche",
    "ander", "andere", "anderem", "anderen", "anderer", "anderes", "ante", "antes", "ao", "aos",
    "aquel", "aquella", "asi", "ate", "au", "auch", "aucun", "aucune", "auf", "aunque", "aus",
    "aux", "avant", "avec", "avez", "avoir", "avons", "bei", "beim", "bij", "bin", "bis", "bist",
    "cada", "ce", "ceci", "cela", "celle", "celui", "ces", "cet", "cette", "ceux", "che", "chez",
    "chi", "ci", "cio", "co", "col", "com", "combien", "come", "comme", "comment", "como", "con",
    "contra", "cosa", "cual", "cuales", "cuando", "cuanta", "cuanto", "cui", "da", "dagli", "dai",
    "dal", "dalla", "dalle", "dallo", "damit", "dan", "dann", "dans", "das", "dass", "dat", "de",
    "degli", "dei", "dein", "deine", "deinem", "deinen", "deiner", "del", "dela", "dele", "della",
    "delle", "dello", "dem", "den", "denn", "depuis", "der", "des", "desde", "dessen", "deze", "di",
    "dich", "die", "dies", "diese", "diesem", "diesen", "dieser", "dieses", "dir", "dit", "doch",
    "donde", "dont", "door", "dopo", "dort", "dos", "dov", "dove", "du", "durante", "durch", "ed",
    "een", "ein", "eine", "einem", "einen", "einer", "eines", "el", "ela", "elas", "ele", "eles",
    "ella", "ellas", "elle", "elles", "ellos", "em", "en", "entre", "er", "era", "es", "esa",
    "esas", "ese", "eso", "esos", "essa", "esse", "essere", "est", "esta", "estan", "estas", "este",
    "estes", "esto", "estos", "et", "etait", "ete", "etre", "eu", "euch", "euer", "eure", "eux",
    "fa", "fait", "faut", "foi", "fra", "fu", "fue", "fueron", "fur", "gegen", "gibt", "ging",
    "gli", "ha", "habe", "haben", "hai", "han", "hanno", "hasta", "hat", "hatte", "hatten", "hay",
    "heb", "hebben", "heeft", "het", "hij", "ho", "hoe", "hun", "ich", "ihm", "ihn", "ihnen", "ihr",
    "ihre", "ihrem", "ihren", "ihrer", "ik", "il", "ils", "im", "ins", "io", "isso", "ist", "isto",
    "ja", "je", "jede", "jedem", "jeden", "jeder", "jedes", "jetzt", "jij", "jou", "jouw", "kan",
    "kann", "kein", "keine", "keinem", "keinen", "keiner", "konnen", "konnte", "kunnen", "la",
    "laquelle", "las", "le", "lei", "lequel", "les", "leur", "leurs", "lhe", "li", "lo", "loro",
    "los", "lui", "ma", "maar", "mais", "man", "mas", "meer", "mein", "meine", "meinem", "meinen",
    "meiner", "meme", "men", "mes", "met", "meu", "meus", "mi", "mia", "mich", "mie", "miei", "mij",
    "mijn", "minha", "minhas", "mio", "mir", "mis", "mit", "moet", "moi", "mon", "muito", "muss",
    "mussen", "muy", "na", "naar", "nach", "nada", "nao", "nas", "ne", "nei", "nel", "nell",
    "nella", "nelle", "nello", "nem", "ni", "nicht", "nichts", "niet", "noch", "nog", "noi", "non",
    "nos", "nosotros", "nossa", "nosso", "nostra", "nostro", "notre", "nous", "nu", "nuestra",
    "nuestro", "num", "numa", "nun", "nur", "ob", "oder", "ogni", "ohne", "om", "omdat", "onde",
    "onder", "ons", "ont", "onze", "ook", "op", "os", "otra", "otras", "otro", "otros", "ou", "par",
    "para", "pas", "pela", "pelas", "pelo", "pelos", "pendant", "per", "perche", "pero", "peut",
    "piu", "plus", "por", "porque", "pour", "pourquoi", "puede", "puo", "qu", "quais", "qual",
    "quale", "quali", "quand", "quando", "quant", "quanta", "quante", "quanti", "quanto", "que",
    "quegli", "quei", "quel", "quella", "quelle", "quelles", "quello", "quels", "quem", "questa",
    "queste", "questi", "questo", "qui", "quien", "quoi", "sa", "sans", "sao", "se", "segun",
    "sehr", "sei", "sein", "seine", "seinem", "seinen", "seiner", "seit", "sem", "ser", "sera",
    "ses", "seu", "seus", "si", "sia", "sich", "sie", "sin", "sind", "sinds", "sobre", "soll",
    "sollen", "sollte", "solo", "son", "sondern", "sono", "sont", "sous", "su", "sua", "suas",
    "sue", "sugli", "sui", "sul", "sulla", "sulle", "suo", "suoi", "sur", "sus", "ta", "tambem",
    "tambien", "tan", "tanto", "te", "tegen", "tem", "tes", "teu", "tiene", "tienen", "toch",
    "toda", "todas", "todo", "todos", "toen", "toi", "ton", "tot", "tous", "tout", "toute",
    "toutes", "tra", "tres", "tu", "tua", "tue", "tuo", "tus", "tutta", "tutte", "tutti", "tutto",
    "uber", "uit", "um", "uma", "un", "una", "und", "une", "uno", "unos", "uns", "unser", "unsere",
    "unserem", "unseren", "unserer", "unter", "usted", "uw", "van", "veel", "vers", "vi", "voce",
    "voi", "vom", "von", "voor", "vor", "vos", "votre", "vous", "waar", "waarom", "wann", "wanneer",
    "war", "waren", "warum", "wat", "weil", "wel", "welche", "welchem", "welchen", "welcher",
    "welches", "welk", "welke", "wem", "wen", "wenn", "wer", "werd", "werden", "wessen", "wie",
    "wieder", "wieso", "wieviel", "wij", "willen", "wir", "wird", "wo", "wofur", "woher", "wohin",
    "womit", "worden", "wordt", "wurde", "wurden", "ya", "yo", "zal", "ze", "zich", "zij", "zijn",
    "zo", "zonder", "zou", "zu", "zum", "zur", "zwischen",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_its_longest_word_is_known() {
        assert!(WORDS.is_sorted());
        assert_eq!(WORDS.iter().map(|word| word.len()).max(), Some(LONGEST));
        assert!(is_function("welche") && is_function("cuando") && !is_function("lisboa"));
    }

    #[test]
    fn no_word_is_a_stop_word_as_well() {
        assert!(!WORDS.iter().any(|word| super::super::stop::is_stop(word)));
    }
}
