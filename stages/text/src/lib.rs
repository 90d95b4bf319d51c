//! Text to tokens and back for language models, and chat templates.
