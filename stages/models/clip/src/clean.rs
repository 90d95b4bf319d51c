//! Text as OpenAI's own code cleans it before it is split into tokens: by ftfy (Speer, 2019), then HTML's
//! entities twice, then white space and case as always.
//!
//! Of ftfy it has what prompts meet: entities, curly quotes, ligatures, letters of East Asian width, line breaks,
//! control characters. Text that was decoded wrongly on its way (`â€™`) and entities without their semicolon are
//! left as they are.

use unicode_normalization::UnicodeNormalization;

/// What the letters from 0x80 to 0x9f, which Unicode has no use for, are in Windows' code page 1252.
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// The text as ftfy and `html.unescape` leave it, as far as said above.
pub(crate) fn clean(text: &str) -> String {
    // Where there is a tag, ftfy takes entities for its author's will; what comes after it does not.
    let first = if text.contains('<') {
        text.to_owned()
    } else {
        unescaped(text)
    };
    let mut plain = String::with_capacity(first.len());
    let mut letters = first.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\u{80}'..='\u{9f}' => plain.extend(WINDOWS_1252.chars().nth(letter as usize - 0x80)),
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => plain.push('\''),
            '\u{201c}'..='\u{201f}' => plain.push('"'),
            '\u{3000}' => plain.push(' '),
            '\u{ff01}'..='\u{ffef}' => plain.extend(std::iter::once(letter).nfkc()),
            _ if is_invisible(letter) => {}
            _ => match ligature(letter) {
                Some(letters) => plain.push_str(letters),
                None => plain.push(letter),
            },
        }
    }
    unescaped(&unescaped(&plain)).trim().to_owned()
}

fn unescaped(text: &str) -> String {
    html_escape::decode_html_entities(text).into_owned()
}

/// Control characters that no text needs.
const fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\0'..='\u{8}'
            | '\u{b}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}

/// The letters that a ligature stands for.
const fn ligature(letter: char) -> Option<&'static str> {
    Some(match letter {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "'n",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}
