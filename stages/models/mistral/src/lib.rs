//! Mistral, Llama and their like in Burn.
