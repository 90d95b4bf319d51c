"""Texts to tokenise, and texts to train small tokenizers on."""

LONG = ("The quick brown fox jumps over the lazy dog, and 1234567890 other animals (cats, birds…) look on; "
        "\"why?\", they ask.\n") * 6

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\t\t x",
    "Hello", " Hello", "  Hello", "Hello ", "Hello  ", "Hello world", "Hello  world", "Hello   world",
    "hello\nworld", "hello\n\nworld", "a\tb", "a\r\nb", " leading and trailing ", "line \n with spaces \n",
    "0", "12", "123", "1234567890", "3.14159", "1,000,000", "v1.2.3-rc4", "2026-11-28T04:18:03Z", "½ ² ٣ 五",
    "Grüße aus Köln", "naïve café", "nai\u0308ve cafe\u0301", "Привет, мир", "Γειά σου Κόσμε", "مرحبا بالعالم",
    "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好,世界", "こんにちは世界", "안녕하세요 세계", "日本語 and English",
    "🙂", "🙂🙃 👍🏽", "👨‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "a\u200bb\u00a0c", "\ufeffbom", "▁ and Ġ", "\u0000\u0001\u007f",
    "z\u0351\u0352\u0353a\u0315l\u035eg\u0323o\u0489",
    "I'm, you're, he'll, we've, they'd, it's, don't; I'M, IT'S",
    "def f(x):\n    return x ** 2  # square\n", "if (a && b) { c[i] = d->e; }\n\t// done",
    "<html><body class=\"x\">&amp;</body></html>", "{\"key\": [1, 2.5, null, true]}", "https://example.org/a?b=c&d=%20#e",
    "!!! ??? ... --- ===", "e=mc^2 + 1 < 3 ~ 4 | 5 $6", "C:\\path\\to\\file", "aaaaaaaaaaaaaaaaaaaaaaaa",
    "</s>", "<s>", "<unk>", "<0x41>", "Yes</s>", "a </s> b", "<s>[INST] Hello [/INST] Hi</s>[INST] Bye [/INST]",
    "<s> [INST] Hello [/INST]", "[INST]Hello[/INST]", "say <user> now", "<user><user> x", "<|im_start|>user\nHi<|im_end|>\n",
    "<|im_start|><|im_end|> <|endoftext|>", "<|im_start", "[/INST", "x</s", "</s></s>\n</s>",
    "ends with broken </s> ", LONG,
]

CORPUS = [
    "the quick brown fox jumps over the lazy dog", "and the other animals look on while they ask why",
    "hello world and hello again to all of you", "what is the meaning of this and where does it come from",
    "a language model writes one token after another until it has said what there is to say",
    "numbers like 1 2 3 4 5 6 7 8 9 0 and 12 34 56 78 90 and 2026", "return x if there is one else none",
    "def f ( x ) : return x * 2", "Grüße aus Köln und noch einmal Grüße", "naïve café", "    four spaces and  two",
    "the cat sat on the mat and the rat sat on the hat", "I'm sure it's what they'd like and we'll see",
    "there is nothing that cannot be said in words, said the other one.", "[INST] hello [/INST] and <html>",
    "Hello Hello Hello, The The The; This This That", "你好 世界 世界", "…", "user assistant system user assistant",
] * 3
