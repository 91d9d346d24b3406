//! Synthetic memories and queries that look like English and are the same in every run.

use std::sync::Arc;

/// A few thousand words, of which few are frequent and most are rare (Zipf-Mandelbrot).
#[derive(Debug)]
pub(crate) struct Vocabulary {
    words: Vec<String>,
    /// The sum of the weights up to and with each word.
    sums: Vec<f64>,
}

/// Writes texts. Two with the same seed write the same texts.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    vocabulary: Arc<Vocabulary>,
    random: Random,
}

const WORDS: usize = 4_000;
/// Mandelbrot's offset for English: without it the first word alone would be a ninth of a text.
const OFFSET: f64 = 2.7;

/// The most frequent words, in their order.
const COMMON: &str = "the of and to a in is that for it with as was on be at by i this are or from \
    my we not have an they you she he his her which but had about their has one all when there \
    can more if will would no so what up out who them some into time than its now new two after";

/// What people note down; each comes in several forms.
const ROOTS: &str = "project meeting plan report budget invoice contract customer team deadline \
    review release server database backup deploy config token secret client request answer error \
    test build branch commit merge issue ticket sprint design draft paper article book author \
    library school teacher student lesson exam course garden tomato kitchen recipe dinner lunch \
    breakfast coffee bottle market grocery store price discount card account bank payment salary \
    tax insurance doctor dentist appointment medicine allergy symptom hospital clinic train \
    flight ticket hotel passport luggage airport station bridge street corner office floor \
    elevator parking garage engine battery bicycle wheel repair tool hammer ladder paint window \
    door roof wall heater pipe leak plumber electric cable router printer laptop screen keyboard \
    phone number address letter package deliver order return refund gift birthday wedding party \
    music guitar piano concert movie theater museum picture camera beach mountain river forest \
    winter summer spring weather storm cloud rain snow morning evening weekend holiday visit call \
    remember prefer like want need work start finish move change open close buy sell send write \
    read learn teach help ask decide agree promise forget find lose keep share cook clean walk";

const NAMES: &str = "Anna Boris Carla David Elena Farid Grace Hugo Ines Jonas Karin Liam Maria \
    Nadia Oscar Priya Quentin Rosa Samir Tessa Ulrich Vera Walter Ximena Yusuf Zoe Berlin Lisbon \
    Toronto Nairobi Osaka Bergen Krakow Denver Lyon Valencia Hanoi Tampere Geneva Quito";

const ONSETS: [&str; 20] = [
    "b", "br", "c", "d", "dr", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "pr", "r", "s", "st",
    "t", "v",
];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ea", "ou", "ai"];
const ENDS: [&str; 10] = ["", "n", "r", "l", "s", "t", "nd", "rk", "m", "ck"];

impl Vocabulary {
    pub(crate) fn build() -> Self {
        let mut random = Random::seeded(7);
        let mut words: Vec<String> = COMMON.split_whitespace().map(str::to_owned).collect();
        for form in ["", "s", "ing", "ed"] {
            words.extend(ROOTS.split_whitespace().map(|root| format!("{root}{form}")));
        }
        while words.len() < WORDS {
            let syllables = 2 + random.below(2);
            words.push((0..syllables).map(|_| random.syllable()).collect());
        }
        let mut sum = 0.0;
        let sums = (1..=words.len()).map(|rank| {
            sum += 1.0 / (rank as f64 + OFFSET);
            sum
        });
        Self { sums: sums.collect(), words }
    }

    fn draw(&self, random: &mut Random) -> &str {
        let total = self.sums.last().copied().unwrap_or_default();
        let point = random.fraction() * total;
        let at = self.sums.partition_point(|sum| *sum < point);
        &self.words[at.min(self.words.len() - 1)]
    }

    /// A word of the rarer half, each as likely as the other.
    fn draw_rare(&self, random: &mut Random) -> &str {
        let half = self.words.len() / 2;
        &self.words[half + random.below(half)]
    }
}

impl Writer {
    pub(crate) fn seeded(vocabulary: &Arc<Vocabulary>, seed: u64) -> Self {
        Self { vocabulary: Arc::clone(vocabulary), random: Random::seeded(seed) }
    }

    /// A memory of about 25 words with a name, and often a date or a number.
    pub(crate) fn memory(&mut self) -> String {
        let words = 18 + self.random.below(15);
        let name_at = self.random.below(words);
        let date_at = self.random.below(2 * words);
        let mut text = String::with_capacity(256);
        for n in 0..words {
            if n > 0 {
                text.push_str(if self.random.below(12) == 0 { ". " } else { " " });
            }
            if n == name_at {
                text.push_str(self.random.name());
            } else if n == date_at {
                text.push_str(&self.random.date());
            } else if self.random.below(40) == 0 {
                text.push_str(&self.random.below(10_000).to_string());
            } else {
                text.push_str(self.vocabulary.draw(&mut self.random));
            }
        }
        text.push('.');
        text
    }

    /// Three to six words as they come in memories; one query in three has a rare word as well, one
    /// in four a name.
    pub(crate) fn query(&mut self) -> String {
        let mut words: Vec<&str> = Vec::with_capacity(8);
        for _ in 0..3 + self.random.below(4) {
            words.push(self.vocabulary.draw(&mut self.random));
        }
        if self.random.below(3) == 0 {
            words.push(self.vocabulary.draw_rare(&mut self.random));
        }
        if self.random.below(4) == 0 {
            words.push(self.random.name());
        }
        words.join(" ")
    }
}

/// xorshift64* (Vigna, 2014): small, and good enough for texts.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        // Small seeds differ in few bits, and zero would never leave zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from zero up to, but without, the limit.
    fn below(&mut self, limit: usize) -> usize {
        (self.fraction() * limit as f64) as usize
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn name(&mut self) -> &'static str {
        let at = self.below(NAMES.split_whitespace().count());
        NAMES.split_whitespace().nth(at).unwrap_or_default()
    }

    fn date(&mut self) -> String {
        let (year, month, day) = (2020 + self.below(7), 1 + self.below(12), 1 + self.below(28));
        format!("{year}-{month:02}-{day:02}")
    }

    fn syllable(&mut self) -> String {
        let onset = ONSETS[self.below(ONSETS.len())];
        let vowel = VOWELS[self.below(VOWELS.len())];
        let end = ENDS[self.below(ENDS.len())];
        format!("{onset}{vowel}{end}")
    }
}
