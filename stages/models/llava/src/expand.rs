//! Room for images among the tokens of a text.

/// Images and the tokens that stand for them are not equally many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text has {tokens} image tokens and there are {images} images; write one image token for each image"
)]
pub struct ExpandError {
    /// Image tokens in the text.
    pub tokens: usize,
    /// Images.
    pub images: usize,
}

/// The tokens with each image token repeated as often as its image has tokens: `counts`, an image each, as
/// [`Layout::tokens`](crate::Layout::tokens) has them.
pub fn expand(tokens: &[u32], image_token: u32, counts: &[usize]) -> Result<Vec<u32>, ExpandError> {
    check(tokens, image_token, counts.len())?;
    let mut expanded = Vec::with_capacity(tokens.len() + counts.iter().sum::<usize>());
    let mut counts = counts.iter();
    for &token in tokens {
        let next = if token == image_token {
            counts.next()
        } else {
            None
        };
        expanded.extend(std::iter::repeat_n(token, next.map_or(1, |count| *count)));
    }
    Ok(expanded)
}

/// That a text has an image token for each image.
pub(crate) fn check(tokens: &[u32], image_token: u32, images: usize) -> Result<(), ExpandError> {
    let tokens = tokens.iter().filter(|&&token| token == image_token).count();
    if tokens == images {
        Ok(())
    } else {
        Err(ExpandError { tokens, images })
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpandError, expand};

    #[test]
    fn each_image_gets_its_room() {
        let expanded = expand(&[1, 9, 2, 9, 3], 9, &[3, 1]);
        assert_eq!(expanded, Ok(vec![1, 9, 9, 9, 2, 9, 3]));
        assert_eq!(expand(&[1, 2], 9, &[]), Ok(vec![1, 2]));
        assert_eq!(expand(&[9], 9, &[0]), Ok(vec![]));
    }

    #[test]
    fn a_mismatch_names_both_numbers() {
        let error = expand(&[1, 9, 9], 9, &[3]);
        let expected = ExpandError {
            tokens: 2,
            images: 1,
        };
        assert_eq!(error, Err(expected));
        let said = expand(&[1, 2], 9, &[3]).map_err(|error| error.to_string());
        let expected = "the text has 0 image tokens and there are 1 images; write one image token for each image";
        assert_eq!(said, Err(expected.to_owned()));
    }
}
