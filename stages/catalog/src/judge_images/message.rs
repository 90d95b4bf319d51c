//! All questions about an image in one message.

/// What the judge is told that is to answer these questions in one go.
pub(super) fn joint(questions: &[String]) -> String {
    let numbered = (1..)
        .zip(questions)
        .map(|(number, question)| format!("{number}. {question}\n"));
    let mut message = "Look at the image and answer these questions about it.\n".to_owned();
    message.extend(numbered);
    message.push_str(
        "Give one line for each question, in this order: its number, a full stop, and then one word, \
         yes or no, or nan if the question does not apply to this image. If something is not as it should \
         be, say so in a few words behind the answer, on the same line. Leave no question out.",
    );
    message
}
