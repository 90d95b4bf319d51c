//! GGUF files: what they say, and where their tensors lie.
